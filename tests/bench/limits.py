"""Where the limits of a plan lie: how many users a district, a process or a Redis may have; pure."""

from tests.bench.assumptions import Assumptions, Measured
from tests.bench.plan import GIB, LIMIT, READS, RENEWED, readings


def most_active(fresh: float, given: Assumptions) -> float:
    """Return how many active users of one district can be kept so fresh: the same law the other way round."""
    return LIMIT * given.used / (60 * READS) * (RENEWED * fresh + given.between)


def largest_rush(given: Assumptions) -> float:
    """Return how many users a district may have of whom all who are active are read within the rush."""
    return given.rush_minutes * LIMIT / READS / given.active


def most_in_every_process(given: Assumptions, measured: Measured) -> float:
    """Return how many users in all every process may cache, so that one for each processor fits into a machine."""
    share = given.memory_gib * GIB * given.used / given.cores
    return max(0.0, share - measured.process) / measured.user / given.active


def most_of_one_redis(given: Assumptions, measured: Measured) -> float:
    """Return how many users in all one server of Redis serves, where districts are small enough to be kept fresh."""
    once = readings(1, given.fresh_seconds, given)
    looks = readings(1, given.fresh_seconds, given, given.homes) - once
    taken = (once * measured.redis_cold + looks * measured.redis_found) * given.active
    return given.used / taken


def cost_of_readings(given: Assumptions, measured: Measured) -> float:
    """Return what readings take of processors in terms of what questions do, where the fresh time is kept."""
    question = 1 / measured.questions
    return readings(1, given.fresh_seconds, given) * measured.cold / (question / given.between)
