"""Handing claimed messages to their channels: receivers side by side, the messages of an incident in order.

A channel that can take several messages at once says so (`lanes`); messages about the same incident share a lane.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.errors import DeliveryFailed
from pipeline.notify.channels import Channel
from pipeline.notify.outbox import Outcome
from pipeline.notify.records import Outgoing

__all__ = ["send_all"]

logger = logging.getLogger(__name__)

_WORKERS = 16


def send_all(
    outgoing: Sequence[Outgoing], channels: Mapping[str, Channel], in_time: Callable[[], bool]
) -> list[Outcome]:
    """Send what was claimed; a receiver that fails once is left alone for the rest, so that order holds and a dead
    channel costs one time-out. `in_time` says whether another one may still be begun before the claim runs out."""
    queues: dict[str, list[Outgoing]] = {}
    for message in outgoing:
        queues.setdefault(message.receiver, []).append(message)
    lanes: list[tuple[list[Outgoing], Channel | None, threading.Event]] = []
    for receiver, queue in queues.items():
        channel, failed = channels.get(receiver), threading.Event()
        lanes += [(lane, channel, failed) for lane in _lanes(queue, getattr(channel, "lanes", 1))]
    if not lanes:
        return []
    with ThreadPoolExecutor(max_workers=min(_WORKERS, len(lanes)), thread_name_prefix="notify") as pool:
        done = pool.map(lambda lane: _send_lane(lane[0], lane[1], lane[2], in_time), lanes)
        return [outcome for outcomes in done for outcome in outcomes]


def _lanes(queue: Sequence[Outgoing], most: int) -> list[list[Outgoing]]:
    """The queue in at most so many lanes; what shares an incident stays together and in order."""
    lane_of: dict[str, int] = {}
    lanes: list[list[Outgoing]] = [[] for _ in range(max(most, 1))]
    for message in queue:
        known = {lane_of[i] for i in message.incident_ids if i in lane_of}
        if len(known) > 1:
            return [list(queue)]
        lane = known.pop() if known else min(range(len(lanes)), key=lambda n: len(lanes[n]))
        lanes[lane].append(message)
        lane_of.update(dict.fromkeys(message.incident_ids, lane))
    return [lane for lane in lanes if lane]


def _send_lane(
    queue: Sequence[Outgoing], channel: Channel | None, failed: threading.Event, in_time: Callable[[], bool]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for message in queue:
        if failed.is_set() or not in_time():
            outcomes.append(Outcome(message.notification_id, tried=False))
            continue
        outcome = _send_one(message, channel)
        outcomes.append(outcome)
        if outcome.error is not None:
            failed.set()
            logger.warning("%s: %s was not delivered: %s", message.receiver, message.notification_id, outcome.error)
    return outcomes


def _send_one(message: Outgoing, channel: Channel | None) -> Outcome:
    key = message.notification_id
    if channel is None:
        return Outcome(key, "this receiver is no longer in routes.toml")
    try:
        channel.send(message)
    except DeliveryFailed as error:
        return Outcome(key, str(error), unsure=error.unsure, wait=error.wait)
    # A channel is a stranger's code: whatever it raises, the other messages of this run must still be recorded.
    except Exception as error:
        logger.debug("channel %s raised", message.receiver, exc_info=True)
        return Outcome(key, f"the channel failed with {type(error).__name__}")
    return Outcome(key)
