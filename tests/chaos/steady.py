"""One caller's questions at a steady rate, asked by a process of its own, so that nothing else delays its clock.

It takes as JSON on standard input where to ask, with which key, for which paths, how often and for how long, and writes
for each answer its status and the milliseconds that it took.
"""

import http.client
import json
import sys
import time
from collections.abc import Sequence
from itertools import cycle
from typing import Any


def asked(host: str, port: int, key: str, paths: Sequence[str], often: tuple[float, float]) -> list[tuple[int, float]]:
    """Ask, ``often`` being how many times a second and for how many seconds."""
    per_second, seconds = often
    connection = http.client.HTTPConnection(host, port, timeout=60)
    answers: list[tuple[int, float]] = []
    began = time.perf_counter()
    for number, path in zip(range(int(per_second * seconds)), cycle(paths)):
        time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        sent = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        answers.append((answer.status, (time.perf_counter() - sent) * 1000))
    connection.close()
    return answers


if __name__ == "__main__":
    said: dict[str, Any] = json.loads(sys.stdin.read())
    json.dump(asked(**said), sys.stdout)
