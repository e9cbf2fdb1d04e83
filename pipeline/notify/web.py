"""Posting to an address of the user's over HTTP: certificates checked, time bounded, and no URL in what it says."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from urllib.parse import urlsplit

import httpx

from pipeline.context import utc_now
from pipeline.errors import DeliveryFailed
from pipeline.notify.forms import clean, masked
from pipeline.retry_after import asked_wait

__all__ = ["TIMEOUT_S", "hush", "post", "shown"]

TIMEOUT_S = 10.0
# After these the same message may yet be taken; any other refusal says what to mend.
_LATER = frozenset({408, 425, 429})


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float | None = None,
) -> None:
    """One POST; any 2xx is acceptance. Redirects are not followed: they would carry the body to a stranger.

    Raises:
        DeliveryFailed: refused, or nobody answered; `unsure` where the message may have been taken all the same,
            `wait` where the answer names a Retry-After.
    """
    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    secrets = {url, urlsplit(url).path, urlsplit(url).query}
    try:
        limits = httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0))
        with httpx.Client(verify=_trusted(), timeout=limits, trust_env=False, follow_redirects=False) as client:
            answer = client.post(url, content=body, headers={"User-Agent": "Barograph", **headers})
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise DeliveryFailed(_unreachable(error, secrets)) from None
    except httpx.HTTPError as error:
        # What was sent before the line broke may have been read.
        said = f"{type(error).__name__}: no answer within {timeout_s:g} s, or the line broke; it may have arrived"
        raise DeliveryFailed(said, unsure=True) from None
    except httpx.InvalidURL:
        raise DeliveryFailed("the address is not a URL. Mend it in routes.toml.") from None
    if not answer.is_success:
        again = "it is tried again" if answer.status_code in _LATER or answer.status_code >= 500 else "mend the address"
        said = clean(masked(answer.text[:2000], secrets), 200)
        raise DeliveryFailed(f"HTTP {answer.status_code}: {said or 'no reason given'}; {again}", wait=_wait(answer))


def _wait(answer: httpx.Response) -> timedelta | None:
    """A date is held against the other side's own clock, where it says what that is."""
    at = utc_now()
    since = asked_wait(answer.headers.get("Date"), at)
    return asked_wait(answer.headers.get("Retry-After"), at + since if since else at)


def hush(name: str) -> None:
    """Keep a library from logging the addresses it asks, which hold secrets, whatever level we log at ourselves."""
    log = logging.getLogger(name)
    if log.level < logging.WARNING:
        log.setLevel(logging.WARNING)


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than a message."""
    for name in ("httpx", "httpcore"):
        hush(name)
    return httpx.create_ssl_context(trust_env=False)


def shown(url: str) -> str:
    """Scheme, host and port of an address; the rest may hold a secret."""
    parts = urlsplit(url)
    try:
        place = f"{parts.hostname or '?'}{f':{parts.port}' if parts.port else ''}"
    except ValueError:  # a port that is no number
        place = parts.hostname or "?"
    return f"{parts.scheme}://{place}/…"


def _unreachable(error: httpx.HTTPError, secrets: set[str]) -> str:
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return (
                f"its certificate cannot be trusted: {reason.verify_message}. Mend the certificate; nothing was sent."
            )
        reason = reason.__cause__ or reason.__context__
    return clean(masked(f"cannot be reached: {error}", secrets), 300)
