"""pick.py EVENTS: prints a session of the largest tenant that is longer than all but two in a hundred."""

import collections
import sys

import orjson

events: collections.Counter[str] = collections.Counter()
with open(sys.argv[1], "rb") as source:
    for number, line in enumerate(source):
        if number % 3 == 0 and b'"tenant":"t00000"' in line:
            events[orjson.loads(line)["session"]] += 1
sessions = sorted(events.items(), key=lambda item: (-item[1], item[0]))
print(sessions[len(sessions) // 50][0])
