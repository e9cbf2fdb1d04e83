"""Making pages of a new snapshot before it is shown: nobody has to wait because something was published."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from dashboards.address import Asked
from dashboards.app import content_of
from dashboards.data import Address, Reader
from dashboards.pages import PAGES, page_of
from pipeline.errors import BarographError

__all__ = ["keep_warm", "warm"]

logger = logging.getLogger(__name__)

_EVERY_S = 2.0
# So many of the pages that people looked at last are made again; each takes up to half a second.
_WANTED = 16
_FIRST: tuple[Address, ...] = tuple((page.path, ()) for page in PAGES if page.listed and page.shared)


def warm(reader: Reader, now: datetime) -> None:
    """Make what the navigation leads to and, of a newer snapshot, what people looked at; then show it.

    What is kept already costs nothing.
    """
    shown, newest = reader.view(), reader.newest()
    addresses = [*_FIRST, *(shown.wanted(_WANTED) if newest is not shown else ())]
    try:
        if newest is not shown and not shown.to_copy:
            newest.copy()
        for path, values in dict.fromkeys(addresses):
            if page := page_of(path):
                _tried(
                    "a page was not made ahead",
                    partial(content_of, page, newest, Asked(path, dict(values)), now, ahead=True),
                )
    finally:
        # Whatever is wrong with a page made ahead, what is new is shown.
        reader.show(newest)


def keep_warm(reader: Reader, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Do so whenever a snapshot is published, and when ages must be told anew, until `stop` is set."""
    with reader.held():
        while not stop.is_set():
            _tried("no page was made ahead", lambda: warm(reader, clock()))
            # One part at a time: what is published meanwhile comes first.
            stop.wait(0 if _tried("a part was not copied", lambda: _copied_one(reader)) else _EVERY_S)


def _copied_one(reader: Reader) -> bool:
    """Copy one more part of the snapshot that is shown; when all are, forget those of older ones."""
    view = reader.view()
    if view.to_copy:
        view.copy(most=1)
        return True
    view.forget_others()
    return False


def _tried(else_said: str, work: Callable[[], object]) -> object:
    """What came of it; None where it failed, which the log says, since the pages are served all the same."""
    try:
        return work()
    except BarographError as error:
        # Nothing was published yet, or a part has just gone: who asks is told so.
        logger.debug("%s: %s", else_said, error)
    except Exception:
        # Whatever it is: this thread must go on to the next snapshot.
        logger.exception("%s", else_said)
    return None
