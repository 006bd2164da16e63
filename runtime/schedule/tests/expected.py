"""Writes expected.json: the times of cron expressions in time zones, from croniter and zoneinfo.

    python3 -m venv venv && venv/bin/pip install croniter tzdata
    venv/bin/python runtime/schedule/tests/expected.py > runtime/schedule/tests/expected.json

croniter finds the civil times, without a time zone; zoneinfo says which instants they are. What
happens where clocks are changed is the rule of `docs/schedules.md`, written a second time.
"""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from croniter import croniter

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "America/Havana",
    "Asia/Beirut",
]

# As croniter writes them, and as croner does where that differs.
CRONS = [
    ("0 9 * * 1-5", None),
    ("30 2 * * *", None),
    ("0 0 * * *", None),
    ("15,45 0,1,2,3 * * *", None),
    ("59 23 L * *", None),
    ("30 1 * * sun", None),
    ("0 0 1 jan,jul *", None),
    ("5 4 13 * 5", None),
    ("0 12 * * wed#2", None),
    ("30 2 * mar,oct,nov,apr 0", None),
    ("0 3-23/4 1-7 * *", None),
    ("0 0 29 2 *", None),
    ("*/20 * * * *", None),
    ("10 * * * *", None),
    ("*/30 2 * * *", None),
    ("0 */3 * * *", None),
    ("0 2 * * L5", "0 2 * * 5L"),
    ("20 30 2 * * *", None),
]

# Samoa and others left out a whole day once; no rule of cron says what then.
FROM = datetime(2013, 1, 1)
UNTIL = datetime(2019, 1, 1)


def is_fixed(cron):
    fields = cron.split()
    minute, hour = fields[-5], fields[-4]
    return not minute.startswith("*") and not hour.startswith("*")


def exists(civil, zone):
    there = civil.replace(tzinfo=zone).astimezone(timezone.utc)
    return there.astimezone(zone).replace(tzinfo=None) == civil


def gap_end(civil, zone):
    """The instant at which the clocks pass over this civil time."""
    before = civil.replace(tzinfo=zone, fold=0).utcoffset()
    after = civil.replace(tzinfo=zone, fold=1).utcoffset()
    # With fold 0 the offset is that of before the gap, with fold 1 that of after it.
    low = int((civil - before).replace(tzinfo=timezone.utc).timestamp()) - 26 * 3600
    high = low + 52 * 3600

    def offset(instant):
        return datetime.fromtimestamp(instant, zone).utcoffset()

    assert offset(low) == min(before, after) and offset(high) == max(before, after)
    while high - low > 1:
        middle = (low + high) // 2
        if offset(middle) == offset(low):
            low = middle
        else:
            high = middle
    return high


def instants(cron, zone):
    fixed = is_fixed(cron)
    start = FROM - timedelta(seconds=1)
    civil_times = croniter(cron, start, ret_type=datetime, second_at_beginning=True)
    found = set()
    while True:
        civil = civil_times.get_next()
        if civil >= UNTIL:
            return sorted(found)
        if not exists(civil, zone):
            if fixed:
                found.add(gap_end(civil, zone))
            continue
        for fold in (0,) if fixed else (0, 1):
            found.add(int(civil.replace(tzinfo=zone, fold=fold).timestamp()))


def main():
    cases = []
    for cron, ours in CRONS:
        for name in ZONES:
            times = instants(cron, ZoneInfo(name))
            text = "".join(f"{time}\n" for time in times)
            cases.append(
                {
                    "cron": ours or cron,
                    "time_zone": name,
                    "count": len(times),
                    "first": times[0],
                    "last": times[-1],
                    "sha256": hashlib.sha256(text.encode()).hexdigest(),
                }
            )
    lines = ",\n".join(json.dumps(case) for case in cases)
    print(f"[\n{lines}\n]")


main()
