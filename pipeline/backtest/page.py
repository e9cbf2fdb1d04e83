"""The report of a backtest: one HTML file that loads nothing. Whatever comes from a feed is text, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from pipeline.backtest.result import Alert, Compared, Result
from pipeline.backtest.words import opening

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2530; --soft: #55616f; --line: #e2dfd7; --bad: #a84b0a; --bar: #1f5a78 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #a3aebb; --line: #2b3542; --bad: #f3a05a; --bar: #7cc0e0 } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem } p.told { color: var(--soft); margin: .2rem 0 }
.simulated { border: 1px solid var(--bad); color: var(--bad); padding: .1rem .5rem; border-radius: 4px }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .7rem .25rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top } td.n, th.n { text-align: right }
details { border-bottom: 1px solid var(--line); padding: .3rem 0 } summary { cursor: pointer }
.bad { color: var(--bad) } svg rect { fill: var(--bar) } svg text { fill: var(--soft); font-size: 10px }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_WIDTH, _HEIGHT = 900, 60


def page(result: Result, before: Result | None = None, compared: Compared | None = None) -> str:
    """The whole report; `before` and `compared`: of the rule file it is held against."""
    parts = [
        f"<h1>Backtest <span class=simulated>SIMULATED</span> {_(result.rules)}</h1>",
        *(f"<p class=told>{_(line)}</p>" for line in opening(result)),
        _table(result),
    ]
    if result.episodes:
        parts += ["<h2>Episodes</h2>", _episodes(result)]
    if before is not None and compared is not None:
        parts += _compared(before, compared)
    parts.append("<h2>Alerts per week</h2>")
    parts += [f"<h3>{_(row.rule)}</h3>{_chart(result, row.rule)}" for row in result.of_rules if row.alerts]
    parts.append(f"<h2>Every alert ({len(result.alerts)})</h2>")
    parts += [_alert(alert) for alert in result.alerts]
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>Backtest, simulated: {_(result.rules)}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _(text: Any) -> str:
    return escape(str(text), quote=True)


def _rows(head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: int = 99) -> str:
    """A table; columns from `numbers` on are figures. Cells are text."""

    def cell(tag: str, place: int, text: Any) -> str:
        return f"<{tag}{' class=n' if place >= numbers else ''}>{_('' if text is None else text)}</{tag}>"

    lines = ["".join(cell("th", i, text) for i, text in enumerate(head))]
    lines += ["".join(cell("td", i, text) for i, text in enumerate(row)) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _table(result: Result) -> str:
    head = ("rule", "kind", "scope", "budget", "limit", "series", "alerts", "a week", "busiest week", "median delay")
    rows = [
        (
            row.rule, row.kind, f"{row.scope} {row.grain}", row.budget,
            "" if row.p_limit is None else f"{row.p_limit:.2g}", row.series, row.alerts, f"{row.per_week:.2f}",
            row.busiest, "" if row.median_delay_hours is None else f"{row.median_delay_hours:.0f} h",
        )
        for row in result.of_rules
    ]  # fmt: skip
    return _rows(head, rows, 4)


def _episodes(result: Result) -> str:
    rules = list(dict.fromkeys(hit.rule for hit in result.hits))
    found = {(hit.episode, hit.rule): hit.delay_hours for hit in result.hits}
    rows = []
    for episode in result.episodes:
        told = [found[episode.name, rule] for rule in rules]
        span = f"{episode.start:%Y-%m-%d} to {episode.end:%Y-%m-%d}"
        rows.append((episode.name, span, *("missed" if d is None else f"after {d:.0f} h" for d in told)))
    return _rows(("episode", "when", *rules), rows)


def _compared(before: Result, compared: Compared) -> list[str]:
    told = f"{len(compared.added)} alerts added, {len(compared.lost)} lost, {compared.both} in both."
    parts = [f"<h2>Against {_(before.rules)}</h2><p>{told}</p>"]
    for word, alerts in (("Added", compared.added), ("Lost", compared.lost)):
        if alerts:
            rows = [(f"{a.fired_at:%Y-%m-%d %H:%M}", a.rule, a.label, a.summary) for a in alerts]
            parts.append(f"<h3>{word}</h3>" + _rows(("when", "rule", "what", "why"), rows))
    return parts


def _chart(result: Result, rule: str) -> str:
    """Bars, a week each, over the whole span."""
    counts = result.by_week(rule)
    top, step = max(counts), _WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{_HEIGHT * (1 - n / top):.1f}" width="{max(step - 1, 0.5):.1f}"'
        f' height="{_HEIGHT * n / top:.1f}"><title>week {i + 1}: {n}</title></rect>'
        for i, n in enumerate(counts)
        if n
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 14}" width="100%" role=img'
        f' aria-label="alerts of {_(rule)} in each week, at most {top}">{bars}'
        f'<text x="0" y="{_HEIGHT + 11}">{result.start:%Y-%m-%d}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 11}" text-anchor="end">{result.end:%Y-%m-%d},'
        f" highest bar: {top}</text></svg>"
    )


def _alert(alert: Alert) -> str:
    numbers = {k: v for k, v in alert.numbers.items() if isinstance(v, int | float | str) and k != "sentence"}
    told = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in numbers.items())
    ended = f"resolved {alert.resolved_at:%Y-%m-%d %H:%M}" if alert.resolved_at else "open at the end"
    head = f"{alert.fired_at:%Y-%m-%d %H:%M} · {alert.severity} · {alert.rule} · {alert.label}: {alert.summary}"
    rows = [
        (
            "negative" if article["negative"] else "",
            article["title"], article["publisher"], f"{article['known_at']:%Y-%m-%d %H:%M}",
            "" if article["p_negative"] is None else f"{article['p_negative']:.2f}",
        )
        for article in alert.articles
    ]  # fmt: skip
    table = _rows(("story", "title", "publisher", "known", "p(negative)"), rows) if rows else ""
    return (
        f"<details id={_(alert.alert_id)}><summary>{_(head)}</summary><p class=told>{_(told)}</p>"
        f"<p class=told>{_(ended)}; {alert.delay_hours:.1f} h after it began; told again {alert.escalations} times</p>"
        f"{table}</details>"
    )
