"""What the limits of lateness mean: how long a healthy feed may be silent, and how often it is accused for nothing.

python -m tests.benchmarks.show_health
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from pipeline import health
from pipeline.local_time import local_time

_WEEKS = 520
_START = health.hours_of(datetime(2020, 1, 6, tzinfo=ZoneInfo("Europe/London")))


def steady(per_day: float, rng: np.random.Generator) -> np.ndarray:
    """Ten years of a Poisson feed at one pace."""
    return np.sort(rng.uniform(_START, _START + _WEEKS * 168, rng.poisson(per_day * 7 * _WEEKS)))


def desk(per_day: float, rng: np.random.Generator) -> np.ndarray:
    """Ten years of a London desk: Monday to Friday, 7 to 19 o'clock."""
    hours = _START + np.arange(_WEEKS * 168)
    local = [datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo("Europe/London")) for hour in hours]
    open_ = np.array([one.weekday() < 5 and 7 <= one.hour < 19 for one in local])
    counts = rng.poisson(per_day / 12 * open_)
    return np.sort(np.repeat(hours, counts) + rng.uniform(0, 1, counts.sum()))


def row(name: str, arrivals: np.ndarray, zone: str) -> str:
    """A line of the table: judged week by week by the cadence of the eight weeks before it."""
    lost = hours = 0.0
    alarms = short = 0
    limits = []
    for week in range(9, _WEEKS):
        now = _START + week * 168
        known = health.before_silence(arrivals, now, local_time(zone))
        if known is None:
            continue
        starts = np.arange(now, now + 168)
        expected = health.expected_arrivals(known, starts, starts + 1)
        good = health.covered(known, arrivals, starts, starts, starts + 1)
        lost, hours = lost + float(expected[~good].sum()), hours + float(expected.sum())
        inside = arrivals[(arrivals >= now) & (arrivals < now + 168)]
        silences = health.chance_of_silence(known, inside[:-1], inside[1:])
        short, alarms = short + int((silences < health.LATE_P).sum()), alarms + int((silences < health.ALARM_P).sum())
        noon = now + 2 * 24 + 12
        waits = np.arange(0, 400, 0.25)
        chances = health.chance_of_silence(known, noon, noon + waits)
        limits.append([waits[np.argmax(chances < p)] for p in (health.LATE_P, health.ALARM_P)])
    weeks = _WEEKS - 9
    late, alarm = np.median(np.array(limits), axis=0)
    often = f"{_often(short, weeks)} | {_often(alarms, weeks)}"
    return f"| {name} | {late:.1f} h | {alarm:.1f} h | {lost / hours:.1%} | {often} |"


def _often(n: int, weeks: int) -> str:
    return f"every {weeks * 7 / n:.0f} days" if n else "never"


def main() -> None:
    rng = np.random.default_rng(2026)
    print("| a healthy feed | not covered after | alarm after | coverage lost | silences under .01 | under .001 |")
    print("|---|---|---|---|---|---|")
    for per_day in (5, 25, 100, 500):
        print(row(f"{per_day} a day, around the clock", steady(per_day, rng), ""))
    for per_day in (5, 25, 100):
        print(row(f"{per_day} a working day, London desk", desk(per_day, rng), "Europe/London"))


if __name__ == "__main__":
    main()
