"""More processes than one: what a second worker gains, in terms of what a bare server gains.

The load generator shares the processors with the servers, which is why only the two gains are compared.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from app.sandbox.world import generate
from tests.bench import tools
from tests.bench.cast import USUAL_BYTES, administering, path_of
from tests.bench.cores import ASKING, SERVING
from tests.bench.load import Generator, Pair, Question, generator
from tests.bench.processes import CREDENTIAL, Served, module, sandbox, service, serving, settings, until_ready
from tests.chaos.report import Figure, at_least, told
from tests.valkey import valkey

SECONDS, ROUNDS = 2, 5
EVERYWHERE = (ASKING, SERVING)

OURS, OURS_TWICE, BARE, BARE_TWICE = "one worker", "two workers", "bare", "bare, two workers"
PAIRS = (Pair(OURS_TWICE, OURS), Pair(BARE_TWICE, BARE))


def main() -> Iterator[Figure]:
    """Measure, and yield what was reached."""
    user = generate().cases["staff_portal_only"].user
    with sandbox() as clever, valkey() as redis:
        shared = settings(clever, ROSTERGUARD_REDIS_URL=redis.url)
        with (
            generator(tools.wrk(), seconds=SECONDS, rounds=ROUNDS, cores=EVERYWHERE) as load,
            service(shared, cores=EVERYWHERE) as one,
            service(shared, "--workers", "2", cores=EVERYWHERE) as two,
        ):
            until_ready(one)
            until_ready(two, times=32)
            yield from _measured(load, clever, (one, two), user)


def _measured(load: Generator, clever: Served, ours: tuple[Served, Served], user: str) -> Iterator[Figure]:
    with ExitStack() as stack:
        file = Path(stack.enter_context(TemporaryDirectory())) / "answer"
        file.write_bytes(administering(clever, ours[0], user, USUAL_BYTES))
        bare = [stack.enter_context(serving(module("bare", file, count), cores=EVERYWHERE)) for count in (1, 2)]
        for each in bare:
            until_ready(each, times=32)
        names = (OURS, OURS_TWICE, BARE, BARE_TWICE)
        questions = [
            Question(name, each.url + path_of(user), CREDENTIAL)
            for name, each in zip(names, (*ours, *bare), strict=True)
        ]
        rates = load.rates(questions, PAIRS)
        yield told("bare server, two workers / one", rates.ratio(BARE_TWICE, BARE))
        yield told("ours, two workers / one", rates.ratio(OURS_TWICE, OURS))
        gained = rates.ratio_of_ratios((OURS_TWICE, OURS), (BARE_TWICE, BARE))
        yield at_least("what ours gains / what the bare server gains", gained, 0.9)
