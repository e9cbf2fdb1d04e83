"""Making the first pages of a new snapshot before somebody asks for them: the morning's first reader need not wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from dashboards.address import Asked
from dashboards.app import content_of
from dashboards.data import Reader
from dashboards.pages import PAGES
from pipeline.errors import BarographError

__all__ = ["keep_warm", "warm"]

logger = logging.getLogger(__name__)

_EVERY_S = 2.0


def warm(reader: Reader, now: datetime) -> None:
    """Make what the pages of the navigation show first, once for all who come; those that are kept cost nothing."""
    view = reader.view()
    for page in PAGES:
        if page.listed and page.shared:
            content_of(page, view, Asked(page.path), now)


def keep_warm(reader: Reader, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Do so whenever a snapshot is published, and when ages must be told anew, until `stop` is set."""
    while not stop.wait(_EVERY_S):
        try:
            warm(reader, clock())
        except BarographError as error:
            # Nothing was published yet, or a part has just gone: who asks is told so.
            logger.debug("no page was made ahead: %s", error)
        except Exception:
            # The pages are served all the same; only the first of each reader takes longer.
            logger.exception("no page was made ahead")
