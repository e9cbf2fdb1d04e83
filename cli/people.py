"""What the commands of people share: who does it, and writing the action file that `notify` applies."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pipeline.context import Context
from pipeline.errors import InputError

__all__ = ["AsOption", "request_action"]

AsOption = Annotated[str | None, typer.Option("--as", help="Who does it; your login name, if left out.")]


def request_action(context: Context, action: Any, who: str | None, note: str, **more: Any) -> str:
    """Write the action file; answers the action's id.

    Raises:
        InputError: the action is not whole, such as a silence that ends in the past.
    """
    from pipeline.actions import PersonAction, request

    try:
        known = PersonAction(
            action=action,
            actor=(who or getpass.getuser())[:200],
            note=note[:2000],
            requested_at=context.clock(),
            **more,
        )
    except ValidationError as error:
        raise InputError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}. Nothing was noted.") from error
    request(context.settings.store.published, known)
    return known.action_id()
