"""Who prints which story and when: first publication, reprints, and the small edits that reprints carry."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from demo.archive.rhythm import volume
from demo.archive.stories import Story
from demo.archive.world import Publisher, World, slug

__all__ = ["SILENCE", "SILENT", "Article", "print_stories"]

SILENT = "Harbour Financial"
SILENCE = 540.0  # minutes before the end at which it falls silent
REPRINTED = 0.175  # of what is reprinted at all, which makes 15% of everything
COPIES = ((1, 2, 3, 4), (0.45, 0.30, 0.15, 0.10))
SOLE = frozenset({"bankruptcy"})  # planted stories whose sources are told in the scene itself
# A clause after these words can be put first without changing the meaning.
NO_FLIP = r"chief|chair|finance|adviser|rules|planned|head|\w+ (?:results|auditors)\b"
FLIP = re.compile(rf"^(?P<what>[^,:;()?]{{18,}}) (?P<link>after|as) (?P<why>(?!{NO_FLIP})[^,:;()]{{14,}})$")
FLIP_AS = frozenset(
    {
        "Earnings",
        "Stock Movement",
        "Markets",
        "Energy | Oil",
        "Gold | Metals | Materials",
        "Macro",
        "Currencies",
        "Financials",
    }
)
COMMON = re.compile(
    r"(Aluminium|Bonds|Confidence|Consumer|Copper|Crown|Dollar|Euro|Factory|Gas|Global|Gold|Inflation|Iron|Market|Nickel|Oil|Power|Record"
    r"|Retail|Risky|Shareholders|Shares|Silver|Steel|Stocks|Strong|Tin|Unemployment|Weak|Zinc)\b"
)
# Columns, guides and calendars are a paper's own: nobody reprints them.
OWN = frozenset({"General News | Opinion", "Stock Commentary"})
OWN_TITLE = re.compile(
    r"(A day|A beginner|Bond glossary|Five|Four|How|Inside|Markets wrap|Metals glossary|Six|Week ahead|What|Who)\b"
)
REPORTED = frozenset({"M&A | Investments", "Personnel Change", "Legal | Regulation", "IPO"})
SECTIONS = {
    "Markets": "markets",
    "Stock Movement": "markets",
    "Stock Commentary": "opinion",
    "General News | Opinion": "opinion",
    "Currencies": "markets",
    "Gold | Metals | Materials": "commodities",
    "Energy | Oil": "commodities",
    "Macro": "economy",
    "Fed | Central Banks": "economy",
    "Politics": "politics",
    "Treasuries | Corporate Debt": "markets",
    "Analyst Update": "markets",
}


@dataclass(frozen=True)
class Article:
    """One article as a feed carries it, with the truth about it: its story's number and the story itself."""

    minutes: float
    publisher: str
    title: str
    summary: str
    link: str
    section: str
    story_id: str
    story: Story


def choose_publisher(publishers: Sequence[Publisher], minutes: float, taken: set[str], rng: Random) -> Publisher | None:
    """A publisher that has not told the story yet; the steady one keeps its pace by night, until it falls silent."""
    free = [
        publisher
        for publisher in publishers
        if publisher.name not in taken and not (publisher.name == SILENT and minutes <= SILENCE)
    ]
    if not free:
        return None
    # .68 is the mean of the volume profile over a week.
    weights = [p.share * (0.68 / volume(minutes) if p.style == "steady" else 1.0) for p in free]
    return rng.choices(free, weights)[0]


def edit(story: Story, publisher: Publisher, rng: Random) -> tuple[str, str]:
    """Headline and summary of a reprint: as they were, or lightly edited in the manner of the publisher."""
    title, summary = story.title, story.summary
    if rng.random() < 0.45:
        return title, summary
    flip = FLIP.match(title)
    if flip and (flip["link"] == "after" or story.topic in FLIP_AS) and rng.random() < 0.6:
        what = flip["what"]
        return f"{flip['link'].capitalize()} {flip['why']}, {keep_case(what)}", summary
    if publisher.style == "wire":
        return f"UPDATE {rng.choice((1, 1, 1, 2))}-{title}", f"(Adds details) {summary}"
    if story.topic in REPORTED and not title.endswith("?"):
        return f"{title}{rng.choice((' - sources', ', report says'))}", summary
    return title, first_clause(summary)


def first_clause(summary: str) -> str:
    """The summary cut at its first comma, where enough is left to stand alone."""
    head = summary.split(", ")[0].rstrip(".;")
    return f"{head}." if len(head) > 45 and head.count('"') != 1 and "formerly" not in summary else summary


def keep_case(clause: str) -> str:
    """Lower the first letter of a clause that moves into the sentence, unless it begins with a name."""
    return clause[0].lower() + clause[1:] if COMMON.match(clause) else clause


def make_article(story: Story, story_id: str, publisher: Publisher, minutes: float, text: tuple[str, str]) -> Article:
    """Give one printing its link (unique to it) and section."""
    section = SECTIONS.get(story.topic, "companies")
    mark = hashlib.sha256(f"{story_id}/{publisher.name}".encode()).hexdigest()[:8]
    words = "-".join(slug(story.title).split("-")[:6])
    link = f"{publisher.site}/{section}/{words}-{mark}"
    return Article(round(minutes, 2), publisher.name, *text, link, section, story_id, story)


def print_stories(world: World, stories: Sequence[Story], rng: Random) -> list[Article]:
    """All articles of the archive, oldest first. A reprint that would come after the end is not printed."""
    articles: list[Article] = []
    told_of: dict[str, set[str]] = {name: set() for name in SOLE}
    owners = {publisher.name: publisher.owner for publisher in world.publishers}
    # The silence begins on the minute: the last story before it goes to the publisher that falls silent.
    last_word = min((story for story in stories if story.minutes > SILENCE), key=lambda story: story.minutes)
    for number, story in enumerate(stories):
        story_id = f"s{number:05d}"
        sole = story.planted in SOLE
        # The sources of a sole story belong to different owners.
        taken = {name for name, owner in owners.items() if owner in told_of[story.planted]} if sole else set()
        candidates = [p for p in world.publishers if story is not last_word or p.name == SILENT]
        publisher = choose_publisher(candidates, story.minutes, taken, rng)
        if publisher is None:
            raise RuntimeError("no publisher left for a story")
        articles.append(make_article(story, story_id, publisher, story.minutes, (story.title, story.summary)))
        if sole:
            told_of[story.planted].add(publisher.owner)
            continue
        if story.topic in OWN or OWN_TITLE.match(story.title) or rng.random() >= REPRINTED:
            continue
        names = {publisher.name}
        for _ in range(rng.choices(*COPIES)[0]):
            delay = rng.uniform(3, 45) if rng.random() < 0.4 else 8 * 60 ** rng.random()
            at = story.minutes - delay
            copier = choose_publisher(world.publishers, at, names, rng) if at > 0 else None
            if copier is None:
                continue
            names.add(copier.name)
            articles.append(make_article(story, story_id, copier, at, edit(story, copier, rng)))
    return sorted(articles, key=lambda article: (-article.minutes, article.link))
