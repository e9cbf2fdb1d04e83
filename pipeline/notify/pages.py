"""A page of ours, such as the daily report, mailed to receivers of routes.toml as HTML with its plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DeliveryFailed, RulesError
from pipeline.notify.apprise_channel import AppriseChannel
from pipeline.notify.channels import channels_for
from pipeline.notify.routes import load

__all__ = ["Mailed", "mail_page"]


@dataclass(frozen=True)
class Mailed:
    """One mail address: its name in routes.toml, the address with secrets masked, and what went wrong, if anything."""

    name: str
    address: str
    error: str | None = None


def mail_page(
    routes_file: Path,
    receivers: Sequence[str],
    subject: str,
    page: str,
    folder: Path,
    pictures: Mapping[str, bytes] | None = None,
) -> list[Mailed]:
    """Mail `page` (HTML) to every mail address of `receivers`; the plain text beside it is made from it.

    `pictures`: PNG by the name under which the page shows each (`cid:NAME`).

    Other addresses of a receiver (chats, webhooks) are passed over: they show alerts, not pages. Every address is
    tried, whatever became of the one before.

    Raises:
        RulesError: the file cannot be used, a receiver is not in it, or none of its addresses is of a mail.
    """
    routes = load(routes_file)
    channels = channels_for(routes, folder, routes_file)
    mails: dict[str, AppriseChannel] = {}
    for receiver in receivers:
        if receiver not in routes.by_receiver:
            raise RulesError(f"{routes_file}: there is no [receivers.{receiver}]. Add it, or name one that is there.")
        named = {name: channels[name] for name in routes.by_receiver[receiver]}
        found = {name: channel for name, channel in named.items() if isinstance(channel, AppriseChannel)}
        found = {name: channel for name, channel in found.items() if channel.mails}
        if not found:
            raise RulesError(
                f"{routes_file}: [receivers.{receiver}] has no mail address. Add one such as"
                ' "mailtos://USER:PASSWORD@HOST?to=desk@example.com".'
            )
        mails |= found
    return [_mailed(name, channel, subject, page, pictures or {}) for name, channel in mails.items()]


def _mailed(name: str, channel: AppriseChannel, subject: str, page: str, pictures: Mapping[str, bytes]) -> Mailed:
    try:
        channel.send_page(subject, page, pictures)
    except DeliveryFailed as failed:
        return Mailed(name, channel.describe(), str(failed))
    return Mailed(name, channel.describe())
