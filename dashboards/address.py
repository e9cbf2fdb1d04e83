"""Addresses: what a page is asked for, read from its URL, and links that ask for it. Pure; any view can be sent on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlencode

__all__ = ["Asked", "href"]

_MOST = 50
_LONGEST = 500


@dataclass(frozen=True)
class Asked:
    """The path of a URL, its query with one value for each name, and what this session's forms must carry."""

    path: str = "/"
    values: Mapping[str, str] = field(default_factory=dict)
    form: str = ""

    @classmethod
    def parse(cls, path: str | None, search: str | None, form: str = "") -> Asked:
        """Of what the browser tells; what is too long to be ours is cut off."""
        try:
            pairs = parse_qsl((search or "").removeprefix("?"), max_num_fields=_MOST)
        except ValueError:
            pairs = []
        return cls(unquote(path or "/"), {name: value[:_LONGEST] for name, value in pairs}, form)

    def text(self, name: str, default: str = "") -> str:
        """A value as it stands."""
        return self.values.get(name, default)

    def one_of(self, name: str, known: Sequence[str], default: str) -> str:
        """A value of a closed set; the default for anything else."""
        value = self.values.get(name, default)
        return value if value in known else default

    def moment(self, name: str) -> datetime | None:
        """A time (ISO 8601; UTC where it names no zone), None for anything else."""
        try:
            found = datetime.fromisoformat(self.values.get(name, ""))
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None

    def href(self, **changes: str | None) -> str:
        """The address of this view with some values changed; None takes one out."""
        return href(self.path, **{**self.values, **changes})


def href(path: str, /, **values: str | None) -> str:
    """A link within the pages."""
    query = urlencode({name: value for name, value in values.items() if value})
    return quote(path, safe="/:") + (f"?{query}" if query else "")
