"""What cannot be scored, told before the network is asked: filings, other languages, off-topic and empty texts.

Pure and cheap (docs/statuses.md has the measures). None of these is ever taken for neutral.
"""

from enum import StrEnum

from models.status.filings import is_filing
from models.status.language import is_foreign
from models.status.off_topic import is_off_topic
from models.text import clean

__all__ = ["Status", "abstained", "status"]


class Status(StrEnum):
    """Why a text carries probabilities, or why not. Only SCORED enters a sentiment series."""

    SCORED = "scored"
    ABSTAINED = "abstained"
    FILING = "filing"
    LANGUAGE = "language"
    NOT_FINANCIAL = "not_financial"
    EMPTY = "empty"


def status(text: str, *, filing: bool = False, language: str | None = None, linked: bool = False) -> Status | None:
    """Return why a text is not to be scored, or None where the network has to look.

    `filing`: its source says that it is one; `language`: the tag its source declares ("de", "en-GB"); `linked`: a
    listed company or an institution was found in it, so that it is not called off topic.
    """
    if filing:
        return Status.FILING
    cleaned = clean(text)
    if not any(character.isalpha() for character in cleaned):
        return Status.EMPTY
    if is_filing(cleaned):
        return Status.FILING
    if is_foreign(cleaned, language):
        return Status.LANGUAGE
    if not linked and is_off_topic(cleaned):
        return Status.NOT_FINANCIAL
    return None


def abstained(highest: float, abstain_below: float) -> Status:
    """Return SCORED, or ABSTAINED where the likeliest sentiment's probability is below the model's limit."""
    return Status.SCORED if highest >= abstain_below else Status.ABSTAINED
