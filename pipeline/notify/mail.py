"""A message as an HTML mail: one column, no scripts, no images from elsewhere, and every text of strangers escaped."""

from __future__ import annotations

from html import escape

from pipeline.notify.chart import spoken
from pipeline.notify.document import Article, Document, Incident
from pipeline.notify.forms import as_html, utc
from pipeline.notify.wording import ACTIONS, against, foot, lead, score, when

__all__ = ["CHART", "page"]

# The name of the inline picture, by which the page refers to it.
CHART = "barograph-chart.png"
_COLOURS = {"info": "#3b6ea5", "warning": "#9a6700", "error": "#b3261e", "critical": "#7a0c0c"}
_OVER = "#2e6b34"


def page(document: Document, *, chart: bool) -> str:
    """The body of the mail; with `chart` it shows the picture that is attached under the name `CHART`."""
    colour = _OVER if document.resolved else _COLOURS.get(document.severity, _COLOURS["warning"])
    incident = document.one
    parts = [
        f'<div style="font-family:Helvetica,Arial,sans-serif;font-size:14px;color:#222;max-width:640px">'
        f'<div style="border-left:6px solid {colour};padding:4px 12px;margin-bottom:12px">'
        f'<h2 style="margin:0;font-size:17px">{escape(document.title)}</h2></div>'
    ]
    if incident is None:
        parts.append(f"<p>{as_html(document.text)}</p>")
    else:
        parts += [
            *_marks(document),
            *_lead(document),
            *_picture(incident, chart),
            *_articles(incident),
            _small(document),
        ]
    return "\n".join([*parts, *_links(document), "</div>"])


def _marks(document: Document) -> list[str]:
    marks = [word for word, so in (("DEMO: invented data", document.demo), ("SIMULATED", document.simulated)) if so]
    return [f'<p style="background:#fff3cd;padding:6px"><b>{word}</b></p>' for word in marks]


def _lead(document: Document) -> list[str]:
    return [f"<p>{as_html(lead(document)[-1])}</p>"]


def _picture(incident: Incident, chart: bool) -> list[str]:
    if not chart:
        return []
    words = escape(spoken(incident), quote=True)
    return [f'<p><img src="cid:{CHART}" width="600" alt="{words}" style="max-width:100%"></p>']


def _articles(incident: Incident) -> list[str]:
    if not incident.articles:
        return []
    contrary = [a for a in incident.articles if against(a)]
    rows = [_article(a) for a in incident.articles if not against(a)]
    if incident.more_negative:
        rows.append(f"<li>and {incident.more_negative:,} more negative</li>")
    found = [f'<ul style="padding-left:18px">{"".join(rows)}</ul>'] if rows else []
    if contrary:
        found.append(
            f"<p>Against it: {incident.counted_other:,} counted as not negative.</p>"
            f'<ul style="padding-left:18px">{"".join(_article(a) for a in contrary)}</ul>'
        )
    return found


def _article(article: Article) -> str:
    title = escape(article.title)
    linked = f'<a href="{escape(article.url, quote=True)}">{title}</a>' if article.url else title
    return (
        f'<li style="margin-bottom:6px"><b>{escape(article.role)}</b>: {linked}<br>'
        f'<span style="color:#666">{escape(article.publisher)} · {escape(when(article))}{score(article)}</span></li>'
    )


def _small(document: Document) -> str:
    return f'<p style="color:#666;font-size:12px">{as_html(foot(document))}</p>'


def _links(document: Document) -> list[str]:
    if not document.links:
        return []
    style = "display:inline-block;padding:6px 12px;margin-right:8px;border:1px solid #888;border-radius:4px"
    buttons = [
        f'<a style="{style}" href="{escape(link.url, quote=True)}">{ACTIONS.get(link.action, link.action)}</a>'
        for link in document.links
    ]
    until = min(link.expires_at for link in document.links)
    return [
        f'<p>{"".join(buttons)}<br><span style="color:#666;font-size:12px">links hold until {utc(until)}</span></p>'
    ]
