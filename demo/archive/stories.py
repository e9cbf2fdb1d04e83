"""What happens in the archive's 75 days: ordinary stories in the mood of their hour, and the planted ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from demo.archive.grammar import POLARITIES, Teller, Template, load_scenes, load_templates
from demo.archive.rhythm import DAYS, INSTRUMENTS, ORDINARY, WINDOWS, Moods, Window, volume
from demo.archive.world import Company, World

__all__ = ["SCENE_COMPANIES", "Story", "all_stories"]

Shelf = Mapping[tuple[str, str, bool], Sequence[Template]]
ORDINARY_STORIES = 6350
COMPANY_SHARE = 0.64
POOL_SHARE = 0.55  # of the negative news in a planted week, how much is told from its own pool
TEMPLATE_REST, POOL_REST = 16 * 60.0, 4 * 60.0
TITLE_REST = 10 * 1440.0
COMPANY_TOPICS = {
    "Earnings": 10,
    "Company | Product News": 16,
    "Analyst Update": 11,
    "Dividend": 4,
    "Treasuries | Corporate Debt": 4,
    "Financials": 6,
    "IPO": 2,
    "Legal | Regulation": 7,
    "M&A | Investments": 11,
    "Personnel Change": 6,
    "Stock Commentary": 6,
    "Stock Movement": 14,
    "Energy | Oil": 4,
}
MARKET_TOPICS = {
    "Fed | Central Banks": 9,
    "Treasuries | Corporate Debt": 6,
    "Currencies": 8,
    "Gold | Metals | Materials": 8,
    "Energy | Oil": 9,
    "Macro": 16,
    "Markets": 14,
    "Politics": 9,
    "General News | Opinion": 9,
    "Company | Product News": 3,
    "M&A | Investments": 2,
    "IPO": 5,
}
# Neutral news of some topics is rarer (a share that does not move) or commoner than its weight says.
NEUTRAL = {"Stock Movement": 0.5, "Company | Product News": 1.5, "Personnel Change": 1.5, "General News | Opinion": 1.3}
SCENE_COMPANIES = {
    "insurer_patch": "larkmere-insurance",
    "bankruptcy": "holt-maar",
    "airline_week": "northquill-airways",
    "surge_now": "nimbrix",
    "surge_before": "marrick-motors",
}
# During a surge its company appears in the scene only, so that its share of negative news is exact.
QUIET = (("demo:nimbrix", 1440, 0), ("demo:gridlark", 1440, 0), ("demo:marrick-motors", 58800, 57360))


@dataclass(frozen=True)
class Story:
    """One event: when it was first told (minutes before the end), about whom (`""` for nobody listed), and how."""

    minutes: float
    company: str
    topic: str
    polarity: str
    title: str
    summary: str
    planted: str


class Newsroom:
    """Draws ordinary stories, oldest first, and remembers what was told so as not to tell it again too soon."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.moods = Moods(rng)
        self.ordinary = shelve(load_templates())
        self.pools = {window.pool: shelve(load_templates(window.pool)) for window in WINDOWS if window.pool}
        self.told: dict[tuple[str, str], float] = {}
        self.last_use: dict[Template, float] = {}
        self.company_total = sum(company.weight for company in world.companies)

    def weights(self, minutes: float) -> list[float]:
        """Weight of each company's news at that time; a last entry stands for news about no company."""
        quiet = {company for company, start, end in QUIET if end <= minutes <= start}
        weights = []
        for company in self.world.companies:
            window = window_at(minutes, company.sector.key, company.entity_id)
            weights.append(0.0 if company.entity_id in quiet else company.weight * (window.volume if window else 1))
        return [*weights, self.company_total * (1 - COMPANY_SHARE) / COMPANY_SHARE]

    def times(self) -> list[float]:
        """Times of the ordinary stories, oldest first, in minutes before the end."""
        hours = range(DAYS * 24)
        weights = [volume(hour * 60 + 30) * sum(self.weights(hour * 60 + 30)) for hour in hours]
        chosen = self.rng.choices(hours, weights, k=ORDINARY_STORIES)
        return sorted((hour * 60 + self.rng.random() * 60 for hour in chosen), reverse=True)

    def story(self, minutes: float) -> Story:
        """One ordinary story at that time."""
        rng = self.rng
        for attempt in range(200):
            if attempt % 25 == 0:
                # Drawn anew only now and then: else moods with few templates would be told too rarely.
                company = rng.choices((*self.world.companies, None), self.weights(minutes))[0]
                entity = company.entity_id if company else ""
                window = window_at(minutes, company.sector.key if company else "", entity)
                mood = rng.choices(POLARITIES, window.mix if window else ORDINARY)[0]
            templates, topics = self.ordinary, COMPANY_TOPICS if company else MARKET_TOPICS
            if window and window.pool and mood == "negative" and rng.random() < POOL_SHARE:
                templates = self.pools[window.pool]
                topics = Counter(
                    {topic: len(shelf) for (topic, _, about), shelf in templates.items() if about == bool(company)}
                )
            weights = [
                weight * NEUTRAL.get(topic, 1) if mood == "neutral" else weight for topic, weight in topics.items()
            ]
            topic = rng.choices(tuple(topics), weights)[0]
            polarity = mood
            if company is None and window is None and topic in INSTRUMENTS:
                polarity = rng.choices(POLARITIES, self.moods.mix(topic, minutes))[0]
            teller = Teller(self.world, rng, company)
            template = self.pick(templates, topic, polarity, company, minutes, teller, strict=attempt < 150)
            if template is None:
                continue
            title = tidy(teller.tell(template.title))
            if self.told.get(("title", title), 1e9) - minutes < TITLE_REST:
                continue
            self.told["title", title] = minutes
            planted = window.name if window else ""
            return Story(minutes, entity, topic, polarity, title, tidy(teller.tell(template.summary)), planted)
        raise RuntimeError("the grammar has nothing left to tell: add templates or shorten their rest")

    def pick(
        self,
        templates: Shelf,
        topic: str,
        polarity: str,
        company: Company | None,
        minutes: float,
        teller: Teller,
        strict: bool,
    ) -> Template | None:
        """The longest unused of three fitting templates that have rested; None where none has."""
        fitting = [
            template
            for template in templates.get((topic, polarity, company is not None), ())
            if not template.sectors or (company is not None and company.sector.key in template.sectors)
        ]
        rested = []
        for template in fitting:
            group = (
                template.group.format(nation=teller.slot("nation")) if "@{nation}" in template.group else template.group
            )
            group = group.format(land=teller.slot("land")) if "@{land}" in group else group
            key = (company.entity_id if company else "", group)
            weary = self.last_use.get(template, 1e9) - minutes < (POOL_REST if template.pooled else TEMPLATE_REST)
            if not strict or (not weary and self.told.get(key, 1e9) - minutes >= template.rest_days * 1440):
                rested.append((template, key))
        if not rested:
            return None
        tried = self.rng.sample(rested, min(3, len(rested)))
        template, key = max(tried, key=lambda pair: self.last_use.get(pair[0], 1e9))
        self.told[key] = minutes
        self.last_use[template] = minutes
        return template


def shelve(templates: Sequence[Template]) -> Shelf:
    """Templates by topic, polarity and whether they are about a company."""
    shelves: dict[tuple[str, str, bool], list[Template]] = {}
    for template in templates:
        shelves.setdefault((template.topic, template.polarity, template.about_company), []).append(template)
    return shelves


def window_at(minutes: float, sector: str, company: str) -> Window | None:
    """The planted stretch that news at that time about that sector and company falls under."""
    return next((window for window in WINDOWS if window.holds(minutes, sector, company)), None)


def tidy(text: str) -> str:
    """Mend the commas that `X, formerly Y,` leaves before other marks."""
    for wrong, right in ((",;", ";"), (",.", "."), (",,", ","), (",:", ":")):
        text = text.replace(wrong, right)
    return text


def scene_stories(world: World) -> list[Story]:
    """The planted scenes, told as they stand in planted.toml."""
    stories = []
    for name, rows in load_scenes().items():
        for minutes, key, topic, polarity, text in rows:
            title, summary = text.split(" || ")
            entity = world.company(key).entity_id if key else ""
            stories.append(Story(float(minutes), entity, topic, polarity, title, summary, name))
    return stories


def all_stories(world: World, rng: Random) -> list[Story]:
    """Every story of the archive, oldest first."""
    newsroom = Newsroom(world, rng)
    stories = [newsroom.story(minutes) for minutes in newsroom.times()]
    return sorted((*stories, *scene_stories(world)), key=lambda story: (-story.minutes, story.title))
