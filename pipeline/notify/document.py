"""What a message says, as data: kept with it, handed to webhooks as it is, and what every format is made from.

The published schema (docs/webhook.schema.json) is that of `Document`. Fields are added, never changed or removed,
within version 1. Every text of strangers in it has been through `forms.clean`, every link through `forms.link`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Article", "Chart", "Dead", "Document", "Incident", "Link", "Numbers"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Article(_Part):
    """One article that the message shows, and why this one."""

    role: Literal["first", "first and most negative", "most negative", "most independent", "most positive"]
    article_id: str
    title: str
    publisher: str
    url: str = Field("", description="http(s), secrets masked; empty where the source had none")
    published_at: str = Field("", description="ISO 8601 as the source had it; empty where it had none")
    first_seen_at: str = ""
    p_negative: float | None = None
    p_positive: float | None = None


class Numbers(_Part):
    """What was counted and what is usual; null where the rule does not count."""

    negative_stories: int | None = None
    story_count: int | None = None
    usual: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = Field(None, description="the chance of so many, given all stories of the bucket")
    coverage: float | None = Field(None, description="share of expected arrivals that were covered; null: unknown")
    bucket_start: str = ""
    bucket_end: str = ""


class Chart(_Part):
    """Counted articles over the time of the finding, in bins of equal length."""

    start: datetime
    end: datetime
    negative: tuple[int, ...]
    other: tuple[int, ...]


class Incident(_Part):
    """One incident as it stood when the message was made."""

    incident_id: str
    rule: str
    kind: str
    scope: str
    key: str
    label: str
    severity: str
    state: str
    reason: str = Field(description="why it is in this message: first, escalated, repeat, resolved …")
    headline: str
    labels: dict[str, str] = Field(default_factory=dict, description="labels of the rule")
    single_source: bool = False
    opened_at: datetime | None = None
    fired_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    model_version: str = ""
    runbook_url: str = ""
    numbers: Numbers = Numbers()
    articles: tuple[Article, ...] = ()
    more_negative: int = Field(0, description="negative articles that are not shown")
    counted_other: int = Field(0, description="articles counted as not negative")
    muted: tuple[str, ...] = Field((), description="parts that are open and not told apart from this")
    chart: Chart | None = None


class Dead(_Part):
    """A message that was given up."""

    notification_id: str
    receiver: str
    title: str
    error: str


class Link(_Part):
    """A signed link to act by; it holds until `expires_at`. Opening it changes nothing."""

    action: str
    incident_id: str
    url: str
    expires_at: datetime


class Document(_Part):
    """One message."""

    version: Literal[1] = 1
    notification_id: str = Field(description="the same in every repeat of this message")
    reason: str
    severity: str
    title: str
    text: str = Field(description="the whole message as plain text")
    demo: bool = False
    simulated: bool = False
    incidents: tuple[Incident, ...] = Field((), description="the worst first, ten at most, with their articles")
    others: tuple[Incident, ...] = Field((), description="the rest, without articles")
    incident_ids: tuple[str, ...] = Field((), description="all incidents of this message, shown or not")
    dead: tuple[Dead, ...] = ()
    receiver: str = ""
    attempt: int = Field(0, description="1 for the first try; two tries may both arrive")
    created_at: datetime | None = None
    links: tuple[Link, ...] = ()

    @property
    def resolved(self) -> bool:
        """Whether it says that something is over."""
        return self.reason == "resolved"

    @property
    def one(self) -> Incident | None:
        """The incident of a message about just one."""
        return self.incidents[0] if len(self.incidents) == 1 and not self.others else None
