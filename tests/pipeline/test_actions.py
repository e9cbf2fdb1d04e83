"""Actions are refused where they are not whole; a signed link is read only whole, in time, and with the right key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.actions import Grant, Kind, PersonAction, grant_of, pending, request, token
from pipeline.errors import InputError

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
KEY = "k" * 32
GRANT = Grant(Kind.ACKNOWLEDGE, "a" * 32, "desk", NOW + timedelta(days=7))


def silence(**changes: Any) -> dict[str, Any]:
    known = {
        "action": "silence", "actor": "Ann", "requested_at": NOW, "note": "maintenance",
        "matchers": {"key": ["insurers"]}, "ends_at": NOW + timedelta(hours=4),
    }  # fmt: skip
    return known | changes


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"matchers": {}}, "at least one matcher"),
        ({"matchers": {"key": []}}, "at least one matcher"),
        ({"note": " "}, "its reason"),
        ({"ends_at": None}, "its end"),
        ({"ends_at": NOW - timedelta(hours=1)}, "not in the past"),
        ({"starts_at": NOW + timedelta(days=1)}, "after it begins"),
        ({"ends_at": NOW + timedelta(days=400)}, "a year at most"),
        ({"action": "verdict", "verdict": "right"}, "needs the incident"),
        ({"action": "verdict", "incident_id": "a" * 32}, "is one of right"),
        ({"action": "verdict", "incident_id": "a" * 32, "verdict": "missed event"}, "is one of right"),
        ({"action": "missed"}, "what was missed"),
        ({"action": "expire"}, "needs the silence"),
    ],
)
def test_an_action_that_is_not_whole_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        PersonAction.model_validate(silence(**changes))


def test_the_same_action_written_twice_is_one(tmp_path: Path) -> None:
    action = PersonAction.model_validate(silence())
    assert request(tmp_path / "published", action) == request(tmp_path / "published", action)
    assert pending(tmp_path / "published") == [action]


def test_a_link_is_read_back_until_it_runs_out() -> None:
    signed = token(GRANT, KEY)
    assert token(GRANT, KEY) == signed
    assert grant_of(signed, KEY, NOW) == GRANT
    assert grant_of(signed, KEY, GRANT.expires_at - timedelta(seconds=1)) == GRANT
    with pytest.raises(InputError, match="ran out on 2026-03-10"):
        grant_of(signed, KEY, GRANT.expires_at)


def test_another_key_or_a_key_too_short_opens_nothing() -> None:
    signed = token(GRANT, KEY)
    with pytest.raises(InputError, match="not made here"):
        grant_of(signed, "x" * 32, NOW)
    with pytest.raises(InputError, match="32 characters"):
        token(GRANT, "short")


@given(st.text(max_size=200))
def test_nothing_but_our_own_tokens_is_taken(text: str) -> None:
    with pytest.raises(InputError):
        grant_of(text, KEY, NOW)


@given(st.data())
def test_no_letter_of_a_token_can_be_changed(data: st.DataObject) -> None:
    signed = token(GRANT, KEY)
    place = data.draw(st.integers(0, len(signed) - 1))
    letter = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.").filter(
            signed[place].__ne__
        )
    )
    changed = signed[:place] + letter + signed[place + 1 :]
    try:
        # The last letter of a base64 text has bits that mean nothing: it may read as the same grant, never another.
        assert grant_of(changed, KEY, NOW) == GRANT
        assert place in (len(signed) - 1, signed.rindex(".") - 1)
    except InputError:
        pass
