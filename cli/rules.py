"""Commands about rules: `rules check`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, out, settings_of

if TYPE_CHECKING:
    from pipeline.detect.limits import Realised
    from pipeline.settings import Settings
    from pipeline.watchlists import WatchLists

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group `rules`."""
    rules = typer.Typer(no_args_is_help=True, help="The rules that decide what alerts (rules.toml).")
    rules.command("check")(check)
    app.add_typer(rules, name="rules")


def check(
    file: Annotated[Path | None, typer.Argument(help="A rule file.", show_default="the one of the settings")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a rule file, say what is wrong with it, and list what it would watch.

    Exit status 2 and one line naming file, line, rule and key where something cannot be used. A warning where a rule
    is usable and does nothing: an unknown watch-list, key or theme, nothing selected. Keys are looked up in the store,
    if there is one, with what each rule really sends (alerts a week, of the last four) beside its budget, the limit
    that the budget set, and the rate of that limit in the past. `barograph backtest` says what other rules would send.

    Example: barograph rules check my-rules.toml
    """
    from pipeline import settings, watchlists
    from pipeline.detect.checks import doubts
    from pipeline.detect.rules import Kind, load

    known = settings_of(config)
    found = load(file or settings.file_or_default(known.detect.rules))
    lists = watchlists.load(settings.file_or_default(known.detect.watchlists))
    keys, lists, real = _store(known, lists)
    warned = doubts(found, lists, keys, timedelta(hours=known.detect.horizon_hours))
    rows: list[dict[str, Any]] = []
    for rule in found.rules:
        does = real.get(rule.name)
        of_series = rule.kind in (Kind.NEGATIVE_SHARE, Kind.VOLUME)
        rows.append(
            {
                "rule": rule.name,
                "line": rule.line,
                "kind": rule.kind.value,
                "scope": rule.scope,
                "grain": rule.grain if of_series else "",
                "budget": str(rule.budget or ""),
                "p_limit": rule.p_limit if rule.kind is not Kind.EVENT else rule.p_negative,
                "limit": does.p_limit if does and rule.budget else None,
                "basis": does.basis if does and rule.budget else "",
                "past a week": does.per_week if does and rule.budget else None,
                "sent a week": does.sent_per_week if does else None,
                "min_stories": rule.min_stories if of_series else "",
                "watchlists": ", ".join(rule.watchlists),
                "themes": ", ".join(rule.themes),
                "sha256": rule.sha256[:12],
                "warning": "; ".join(one.said for one in warned if one.rule == rule.name),
            }
        )
    columns = ["rule", "line", "kind", "scope", "grain", "budget", "p_limit", "min_stories", "watchlists", "themes"]
    if real:
        columns = ["rule", "line", "scope", "grain", "budget", "p_limit", "limit", "past a week", "sent a week"]
    emit(rows, columns, as_json=as_json)
    if not as_json:
        for one in warned:
            out.print(f"warning: {found.path}:{one.line}: {f'rule {one.rule}: ' if one.rule else ''}{one.said}")
        asked = "" if keys else " (no store yet: keys were not looked up)"
        out.print(
            f"{found.path}: {len(rows)} rules, " + (f"{len(warned)} warnings" if warned else "all usable") + asked
        )


def _store(known: Settings, lists: WatchLists) -> tuple[dict[str, set[str]] | None, WatchLists, dict[str, Realised]]:
    """The keys of the store (None: there is none), the lists with their families, and what the rules really send."""
    from pipeline import watchlists
    from pipeline.context import utc_now
    from pipeline.detect.limits import realised
    from pipeline.detect.reading import keys_of
    from pipeline.link.themes import load_themes
    from pipeline.warehouse import Warehouse

    warehouse = Warehouse(known.store.warehouse, utc_now, known.store.lock_timeout_s)
    if not warehouse.engine.exists:
        return None, lists, {}
    warehouse.prepare()
    with warehouse.read() as con:
        keys = keys_of(con)
        families = lists.with_families(watchlists.parents_of(con))
        return keys | {"theme": {*keys.get("theme", ()), *load_themes().names}}, families, realised(con, utc_now())
