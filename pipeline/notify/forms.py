"""Text that can do no harm: titles cleaned, links checked, secrets masked; the plain message as HTML or Markdown."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

__all__ = ["LINK_INDENT", "as_html", "as_markdown", "clean", "link", "masked", "odds", "percent", "utc"]

# A line that starts so holds one link of ours and nothing else; no title can, for `clean` leaves no line breaks.
LINK_INDENT = "    "
_SECRET_KEY = re.compile(r"token|key|secret|passw|sig|auth|session|credential", re.IGNORECASE)
_LINK_LINE = re.compile(rf"{LINK_INDENT}(https?://\S+)")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&@])")
_USERINFO = re.compile(r"(\w+://)[^/\s@]+@")


def clean(text: object, limit: int = 200) -> str:
    """Text of strangers on one line: no control, format or surrogate characters, one space for any white space,
    at most `limit` characters (the last an ellipsis where it was cut)."""
    # Cut before normalising too: normalising megabytes of combining marks takes its time.
    raw = str("" if text is None else text)[: limit * 20]
    spaced = "".join(" " if c.isspace() else c for c in raw)
    kept = "".join(c for c in spaced if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"})
    flat = " ".join(unicodedata.normalize("NFC", kept).split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def link(url: object) -> str:
    """An http(s) link without white space, its user part and secret-looking query values masked; else ''."""
    try:
        parts = urlsplit(clean(url, 2000))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
        return _safe(parts)
    except ValueError:  # not an address at all, such as an unclosed IPv6 bracket
        return ""


def _safe(parts: SplitResult) -> str:
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_SECRET_KEY.search(key) for key, _ in pairs):
        query = urlencode([(k, "***" if _SECRET_KEY.search(k) else v) for k, v in pairs], safe="*")
    place = parts.netloc.rpartition("@")[2]
    return quote(urlunsplit((parts.scheme, place, parts.path, query, "")), safe=":/?#[]@!$&'()*+,;=%~")


def masked(text: str, secrets: Iterable[str]) -> str:
    """`text` for a log or an error column: the given secrets, and any user part of an address, starred out."""
    for secret in sorted((s for s in secrets if s), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USERINFO.sub(r"\1***@", text)


def percent(share: float) -> str:
    """A probability in whole percent, never rounded up to certainty."""
    return "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def odds(p: float) -> str:
    """A small probability as people say it: `about 1 in 4,000`, two digits, no finer than a million."""
    if p < 1e-6:
        return "less than 1 in a million"
    n = 1 / p
    digits = max(len(str(int(n))) - 2, 0)
    return f"about 1 in {round(n / 10**digits) * 10**digits:,}"


def utc(moment: datetime | str | None) -> str:
    """`2026-03-02 08:12 UTC`, from a time or its ISO form; `unknown time` where there is none."""
    if not moment:
        return "unknown time"
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return "unknown time"
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def as_html(body: str) -> str:
    """The plain body as HTML: everything escaped, and only our own link lines made into links."""
    lines = []
    for line in body.splitlines():
        found = _LINK_LINE.fullmatch(line)
        if found:
            address = html.escape(found[1])
            lines.append(f'&nbsp;&nbsp;<a href="{address}">{address}</a>')
        else:
            indent = len(line) - len(line.lstrip(" "))
            lines.append("&nbsp;" * indent + html.escape(line.lstrip(" ")))
    return "<br>\n".join(lines)


def as_markdown(body: str) -> str:
    """The plain body as CommonMark: every mark escaped, only our own link lines made into links."""
    lines = []
    for line in body.splitlines():
        found = _LINK_LINE.fullmatch(line)
        lines.append(f"<{found[1]}>" if found else _MARKDOWN.sub(r"\\\1", line.lstrip(" ")))
    # Two spaces at the end of a line are CommonMark's line break.
    return "  \n".join(lines)
