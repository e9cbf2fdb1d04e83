"""When the archive's news happens and in which mood: volume by hour, planted bad weeks, quiet and loud markets."""

from dataclasses import dataclass
from random import Random

__all__ = ["DAYS", "INSTRUMENTS", "ORDINARY", "WINDOWS", "Moods", "Window", "volume"]

DAYS = 75
# The end is taken for a Wednesday, 15:00 UTC. The demo runs at any hour, hence the mild profile.
END_WEEKDAY = 2
END_HOUR = 15.0
NIGHT, WEEKEND = 0.5, 0.6

ORDINARY = (0.20, 0.45, 0.35)  # negative, neutral, positive
INSTRUMENTS = frozenset({"Markets", "Energy | Oil", "Gold | Metals | Materials", "Currencies"})
MOODS = {"bad": (0.44, 0.42, 0.14), "calm": (0.16, 0.54, 0.30), "good": (0.05, 0.36, 0.59)}


@dataclass(frozen=True)
class Window:
    """A planted stretch, in minutes before the end: who is hit, the mix of polarities, and how much more is told."""

    name: str
    start: float
    end: float
    sector: str
    company: str
    mix: tuple[float, float, float]
    volume: float = 1.0
    pool: str | None = None

    def holds(self, minutes: float, sector: str, company: str) -> bool:
        """Whether news at that time about that sector and company falls under this window."""
        if not self.end <= minutes < self.start:
            return False
        return (not self.sector or self.sector == sector) and (not self.company or self.company == company)


# The first window that holds decides.
WINDOWS = (
    Window("insurer_patch", 600, 0, "insurers", "", (0.60, 0.25, 0.15)),
    Window("airline_week", 30240, 20160, "airlines", "demo:northquill-airways", (0.55, 0.30, 0.15)),
    Window("bank_week", 48240, 38160, "banks", "", (0.66, 0.22, 0.12), volume=1.9, pool="bank_week"),
    Window("market_week", 77040, 66960, "", "", (0.47, 0.36, 0.17), volume=1.1, pool="market_week"),
)


def volume(minutes: float) -> float:
    """Relative volume at so many minutes before the end: days twice as busy as nights, weekends at .6."""
    hours_since_monday = (END_WEEKDAY * 24 + END_HOUR - minutes / 60) % 168
    weekday, hour = divmod(hours_since_monday, 24)
    day = 1.0 if 6 <= hour < 18 else 0.75 if 18 <= hour < 21 or 5 <= hour < 6 else NIGHT
    return day * (WEEKEND if weekday >= 5 else 1.0)


class Moods:
    """The mood of each instrument by blocks of eight hours: prices that rise do not fall in the next headline."""

    BLOCK = 480.0

    def __init__(self, rng: Random) -> None:
        blocks = int(DAYS * 1440 / self.BLOCK) + 1
        self._moods = {
            topic: [rng.choices(tuple(MOODS), (0.28, 0.44, 0.28))[0] for _ in range(blocks)]
            for topic in sorted(INSTRUMENTS)
        }
        for moods in self._moods.values():
            moods[:3] = ["calm"] * 3  # the last day belongs to what is planted there

    def mix(self, topic: str, minutes: float) -> tuple[float, float, float]:
        """Shares of negative, neutral and positive news about one instrument at that time."""
        return MOODS[self._moods[topic][int(minutes // self.BLOCK)]]
