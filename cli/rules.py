"""Commands about rules: `rules check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, out

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group `rules`."""
    rules = typer.Typer(no_args_is_help=True, help="The rules that decide what alerts (rules.toml).")
    rules.command("check")(check)
    app.add_typer(rules, name="rules")


def check(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A rule file.", show_default="the one of the settings")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a rule file, say what is wrong with it, and list what it would watch.

    Exit status 2 and one line naming file, rule and key where something cannot be used.

    Example: barograph rules check my-rules.toml
    """
    from pipeline import settings, watchlists
    from pipeline.detect.rules import Kind, load

    config = config or ctx.find_root().params.get("config")
    known = settings.load(config or settings.DEFAULT_CONFIG)
    found = load(file or settings.file_or_default(known.detect.rules))
    lists = watchlists.load(settings.file_or_default(known.detect.watchlists))
    rows: list[dict[str, Any]] = []
    for rule in found.rules:
        missing = [name for name in rule.watchlists if name != "*" and lists.named(name) is None]
        rows.append(
            {
                "rule": rule.name,
                "kind": rule.kind.value,
                "scope": rule.scope,
                "grain": rule.grain if rule.kind in (Kind.NEGATIVE_SHARE, Kind.VOLUME) else "",
                "p_limit": rule.p_limit if rule.kind is not Kind.EVENT else rule.p_negative,
                "min_stories": rule.min_stories if rule.kind is Kind.NEGATIVE_SHARE else "",
                "watchlists": ", ".join(rule.watchlists),
                "themes": ", ".join(rule.themes),
                "sha256": rule.sha256[:12],
                "warning": f"no watch-list is named {', '.join(missing)}" if missing else "",
            }
        )
    columns = ["rule", "kind", "scope", "grain", "p_limit", "min_stories", "watchlists", "themes", "warning"]
    emit(rows, columns, as_json=as_json)
    if not as_json:
        warnings = sum(bool(row["warning"]) for row in rows)
        out.print(f"{found.path}: {len(rows)} rules" + (f", {warnings} with a warning" if warnings else ", all usable"))
