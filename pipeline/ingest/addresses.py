"""Which addresses may be fetched: http(s), usual ports, no credentials, and only public hosts after resolving."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import httpx

from pipeline.errors import FetchFailed
from pipeline.ingest.outcomes import Outcome, sentence

__all__ = ["Allowed", "Target", "check_url", "same_house", "vetted"]

_PORTS = {"http": 80, "https": 443}
# Where the last four bytes of an IPv6 address are an IPv4 address: NAT64 (RFC 6052), translated (RFC 2765) and
# compatible (RFC 4291) ones.
_CARRIERS = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")))
# Global by their number, or too new for Python's list, yet nobody's public web server.
_REFUSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's metadata and name service
            "192.0.0.0/24",  # protocol assignments (RFC 6890); Oracle's metadata service
            "192.88.99.0/24",  # 6to4 relays, which no longer exist (RFC 7526)
            "64:ff9b:1::/48",  # NAT64 of the local network (RFC 8215)
            "2001:1::/32",  # anycast of the local network (RFC 7723, RFC 8155)
            "3fff::/20",  # documentation (RFC 9637)
            "5f00::/16",  # segment routing inside one network (RFC 9602)
        ),
    )
)


@dataclass(frozen=True)
class Allowed:
    """`[ingest] allow_hosts`: each entry is `host` (any port) or `host:port`; IPv6 addresses stand in brackets."""

    entries: frozenset[str]

    @classmethod
    def of(cls, hosts: Sequence[str]) -> Allowed:
        """From the settings; case and spaces do not matter."""
        return cls(frozenset(host.strip().lower() for host in hosts))

    def covers(self, host: str, port: int) -> bool:
        """Whether this host may be fetched whatever its address is."""
        name = f"[{host}]" if ":" in host else host
        return not self.entries.isdisjoint((host.lower(), name.lower(), f"{name.lower()}:{port}"))


@dataclass(frozen=True)
class Target:
    """An address that passed the check of its text. `exempt`: the settings allow it whatever it resolves to."""

    url: httpx.URL
    host: str
    port: int
    exempt: bool


def check_url(url: str, allowed: Allowed) -> Target:
    """Check what can be checked before resolving.

    Raises:
        FetchFailed: `bad_url` (not http(s), no host, credentials in it) or `blocked` (an unusual port).
    """
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise _failed(Outcome.BAD_URL, "The address cannot be read") from error
    if parsed.scheme not in _PORTS:
        raise _failed(Outcome.BAD_URL, f"{parsed.scheme or 'no scheme'} is neither http nor https")
    if not parsed.host:
        raise _failed(Outcome.BAD_URL, "The address names no host")
    if parsed.userinfo:
        raise _failed(Outcome.BAD_URL, "The address holds a user name or password")
    port = _PORTS[parsed.scheme] if parsed.port is None else parsed.port
    # raw_host is the name as it goes over the wire (IDNA), which is what must match and resolve.
    host = parsed.raw_host.decode("ascii").strip("[]")
    exempt = allowed.covers(host, port)
    if not exempt and port not in _PORTS.values():
        raise _failed(Outcome.BLOCKED, f"Port {port} is not one that feeds are served on")
    return Target(parsed, host, port, exempt)


def vetted(target: Target, addresses: Sequence[str]) -> list[str]:
    """Those of the resolved `addresses` that may be connected to, in the order given.

    Raises:
        FetchFailed: `blocked` if none may.
    """
    if target.exempt:
        return list(addresses)
    public = [address for address in addresses if _is_public(address)]
    if not public:
        raise _failed(Outcome.BLOCKED, f"{target.host} is at a private or special address")
    return public


def same_house(old: str, new: str) -> bool:
    """Whether a permanent move from `old` to `new` may be followed without asking anybody.

    It may within a host, with or without its `www.`, to a host below it, and never from https to http. Any other host
    may be another's by now: domains lapse and are bought for what still points to them.
    """
    try:
        before, after = httpx.URL(old), httpx.URL(new)
    except (httpx.InvalidURL, ValueError):
        return False
    was, now = (url.raw_host.decode("ascii").lower().removeprefix("www.") for url in (before, after))
    return (now == was or now.endswith(f".{was}")) and not (before.scheme == "https" and after.scheme != "https")


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    # `is_global` alone says yes to NAT64 and 6to4 forms of private addresses, and to multicast.
    return all(_is_plainly_public(form) for form in _forms(ip))


def _forms(ip: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address and every address it carries inside (mapped, compatible, 6to4, NAT64, Teredo)."""
    if isinstance(ip, IPv4Address):
        yield ip
        return
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if any(ip in network for network in _CARRIERS):
        inner.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    if ip.ipv4_mapped is None:
        yield ip
    yield from (form for form in inner if form is not None)


def _is_plainly_public(ip: IPv4Address | IPv6Address) -> bool:
    teredo = isinstance(ip, IPv6Address) and ip.teredo is not None
    special = ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip.is_link_local
    site_local = isinstance(ip, IPv6Address) and ip.is_site_local
    reserved = isinstance(ip, IPv4Address) and ip.is_reserved
    refused = any(ip in network for network in _REFUSED)
    return ip.is_global and not (teredo or special or site_local or reserved or refused)


def _failed(outcome: Outcome, detail: str) -> FetchFailed:
    return FetchFailed(outcome, sentence(outcome, detail))
