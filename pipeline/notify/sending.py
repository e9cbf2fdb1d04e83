"""Handing claimed messages to their channels: receivers side by side, each in order, and none waits for another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.errors import DeliveryFailed
from pipeline.notify.channels import Channel
from pipeline.notify.outbox import Outcome
from pipeline.notify.records import Outgoing

__all__ = ["send_all"]

logger = logging.getLogger(__name__)


def send_all(
    outgoing: Sequence[Outgoing], channels: Mapping[str, Channel], in_time: Callable[[], bool]
) -> list[Outcome]:
    """Send what was claimed; a receiver that fails once is left alone for the rest, so that order holds and a dead
    channel costs one time-out. `in_time` says whether another one may still be begun before the claim runs out."""
    queues: dict[str, list[Outgoing]] = {}
    for message in outgoing:
        queues.setdefault(message.receiver, []).append(message)
    if not queues:
        return []
    with ThreadPoolExecutor(max_workers=min(8, len(queues)), thread_name_prefix="notify") as pool:
        done = pool.map(lambda item: _send_queue(item[1], channels.get(item[0]), in_time), queues.items())
        return [outcome for outcomes in done for outcome in outcomes]


def _send_queue(queue: Sequence[Outgoing], channel: Channel | None, in_time: Callable[[], bool]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for number, message in enumerate(queue):
        if not in_time():
            return outcomes + [Outcome(m.notification_id, tried=False) for m in queue[number:]]
        error = _send_one(message, channel)
        outcomes.append(Outcome(message.notification_id, error))
        if error is not None:
            logger.warning("%s: %s was not delivered: %s", message.receiver, message.notification_id, error)
            return outcomes + [Outcome(m.notification_id, tried=False) for m in queue[number + 1 :]]
    return outcomes


def _send_one(message: Outgoing, channel: Channel | None) -> str | None:
    if channel is None:
        return "this receiver is no longer in routes.toml"
    try:
        channel.send(message)
    except DeliveryFailed as error:
        return str(error)
    # A channel is a stranger's code: whatever it raises, the other messages of this run must still be recorded.
    except Exception as error:
        logger.debug("channel %s raised", message.receiver, exc_info=True)
        return f"the channel failed with {type(error).__name__}"
    return None
