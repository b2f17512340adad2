"""What Redis does in one step, so that no two replicas come in between; in Lua, as every Redis and Valkey has it.

Values are sealed texts, see ``sealing``: a letter, 16 digits of time, 16 bytes of MAC, and the content. The scripts
cannot tell what is forged: they believe the time, and whoever asks them opens what comes back.
"""

import hashlib

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

Answer = bytes | int | None


class Script:
    """A script, which Redis knows by its hash once it has been sent."""

    def __init__(self, text: str) -> None:
        """Take the text in Lua."""
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: tuple[str, ...], *given: str | bytes | int) -> Answer:
        """Run it, sending it where Redis does not know it, as after a restart; raises ``RedisError``."""
        try:
            answer: Answer = await redis.evalsha(self._hash, len(keys), *keys, *given)
        except NoScriptError:
            answer = await redis.eval(self._text, len(keys), *keys, *given)
        return answer


PUT = Script("""\
-- KEYS: value, lease. ARGV: sealed, latest time to believe, milliseconds, owner of the lease, channel, message, anyhow
if redis.pcall('GET', KEYS[2]) == ARGV[4] then redis.call('DEL', KEYS[2]) end
local there = redis.pcall('GET', KEYS[1])
if type(there) ~= 'string' then there = '' end
local at = tonumber(string.sub(there, 2, 17)) or 0
if at > tonumber(string.sub(ARGV[1], 2, 17)) and at <= tonumber(ARGV[2]) then return there end
local set = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if set.err then redis.call('DEL', KEYS[1]) end
local differs = there ~= '' and string.sub(there, 34) ~= string.sub(ARGV[1], 34)
if differs or ARGV[7] == '1' then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
if set.err then return set end
return false
""")
"""Puts a value unless a newer one is there, which is returned; gives up the lease, and announces what has changed.

Where there is no room for it the older one goes all the same, for it is no longer true."""

LEAD = Script("""\
-- KEYS: value, lease. ARGV: owner, milliseconds, time of the value that was there before, or '-'
local at = redis.pcall('GETRANGE', KEYS[1], 1, 16)
if type(at) ~= 'string' then at = '' end
if ARGV[3] ~= '-' and at ~= '' and at ~= ARGV[3] then return at end
local left = redis.call('PTTL', KEYS[2])
if left == -1 or left > tonumber(ARGV[2]) then redis.call('DEL', KEYS[2]) end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return at
""")
"""Takes the lease where nobody has it and no other value has been put since: 1, else the time of the value there.

One that lasts longer than leases do is none of ours."""

DROP = Script("""\
-- KEYS: any. ARGV: what has to be there
local there = redis.pcall('GET', KEYS[1])
if type(there) == 'string' and there == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")
"""Deletes what is there only if it is still this: a lease of one's own, or a value that was found to be forged."""
