"""`barograph users`: who may log in to the pages, as names and hashes of passwords in a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, JsonOption, emit, out, settings_of
from pipeline.errors import InputError, UsageError

__all__ = ["register"]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Who logs in; it stands beside what they do.")]
FileOption = Annotated[Path | None, typer.Option("--file", help="Instead of \\[dashboard] passwords.")]
_SHORTEST = 12


def register(app: typer.Typer) -> None:
    """Add `users add|remove|list`."""
    users = typer.Typer(help="Who may log in to the dashboard.", no_args_is_help=True)
    users.command("add")(_add)
    users.command("remove")(_remove)
    users.command("list")(_list)
    app.add_typer(users, name="users")


def _add(
    name: NameArgument,
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="BAROGRAPH_NEW_PASSWORD",
            help="Asked for, if left out.",
        ),
    ],
    file: FileOption = None,
    config: ConfigOption = None,
) -> None:
    """Add somebody, or give a new password. Example: barograph users add ada

    The file is made where it is missing, readable by its owner alone. Name it in \\[dashboard] passwords.
    """
    from werkzeug.security import generate_password_hash

    if ":" in name or name != name.strip() or not name.isprintable() or name.startswith("#"):
        raise UsageError(f"{name!r} cannot be a name: it must be one line without a colon.")
    if len(password) < _SHORTEST:
        raise InputError(f"the password is too short: {_SHORTEST} characters or more.")
    path = _path(file, config)
    known = _known(path) | {name: generate_password_hash(password)}
    _write(path, known)
    out.print(f"{name} may log in ({path}). The dashboard reads the file when it starts.", markup=False)


def _remove(name: NameArgument, file: FileOption = None, config: ConfigOption = None) -> None:
    """Take somebody out. Example: barograph users remove ada"""
    path = _path(file, config)
    known = _known(path)
    if name not in known:
        raise InputError(f"{path}: nobody is named {name}. `barograph users list` shows who is.")
    del known[name]
    _write(path, known)
    out.print(f"{name} is out, from the next start of the dashboard on", markup=False)


def _list(file: FileOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """The names in the file, one a line. Example: barograph users list"""
    names = sorted(_known(_path(file, config)))
    if as_json:
        emit([{"name": name} for name in names], ("name",), as_json=True)
        return
    for name in names:
        out.print(name, markup=False)


def _path(file: Path | None, config: Path | None) -> Path:
    if file:
        return file
    path = settings_of(config).dashboard.passwords
    if path is None:
        raise UsageError("no file is named: set [dashboard] passwords, or give --file.")
    return path


def _known(path: Path) -> dict[str, str]:
    from dashboards.access import passwords

    return dict(passwords(path)) if path.exists() else {}


def _write(path: Path, known: dict[str, str]) -> None:
    text = "".join(f"{name}:{digest}\n" for name, digest in sorted(known.items()))
    try:
        # mkstemp makes it readable by its owner alone.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as made:
            made.write(text)
        Path(name).replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}). Name another file with --file.") from error
