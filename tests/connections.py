"""How many connections of httpx, in this process, count as in use."""

import gc

import httpcore


def in_use() -> int:
    """Count the connections, of every pool that there is, that are neither free nor closed."""
    pools = [each for each in gc.get_objects() if isinstance(each, httpcore.AsyncConnectionPool)]
    return sum(not (each.is_idle() or each.is_closed()) for pool in pools for each in pool.connections)
