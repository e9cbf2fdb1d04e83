"""What people do on a page or behind a link of a message: a POST writes an action file, which `notify` applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dash import dcc, html
from flask import Flask, Response, abort, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from dashboards.access import check_form, here, user
from dashboards.address import Asked
from dashboards.data import Reader
from dashboards.pieces import Children, aria
from pipeline.actions import Grant, Kind, PersonAction, Verdict, grant_of, pending
from pipeline.actions import request as write
from pipeline.errors import InputError, SnapshotMissing
from pipeline.settings import Settings

__all__ = ["act_panel", "missed_form", "requested", "waiting", "wire"]

VERDICTS = tuple(verdict.value for verdict in Verdict if verdict is not Verdict.MISSED_EVENT)
SILENCES = {"4": "4 hours", "24": "a day", "72": "3 days", "168": "a week"}
_SAID = {
    Kind.ACKNOWLEDGE: "Acknowledge", Kind.RESOLVE: "Resolve", Kind.SILENCE: "Silence", Kind.VERDICT: "Judge",
}  # fmt: skip


def wire(server: Flask, settings: Settings, reader: Reader, clock: Callable[[], datetime]) -> None:
    """Add `/do`, behind the forms of the pages, and `/act`, behind the signed links of messages."""
    published = settings.store.published

    @server.post("/do")
    def from_page() -> AnyResponse:
        check_form()
        _write(published, requested(request.form, user() or "", clock()))
        return redirect(here(request.form.get("next")), 303)

    @server.get("/act")
    def show_link() -> Response:
        # A GET changes nothing: mail scanners follow links.
        try:
            grant = _grant(settings, request.args.get("token", ""), clock())
        except InputError as error:
            return Response(render_template("act.html", wrong=str(error)), 403)
        shown = {"token": request.args.get("token", ""), "said": _SAID[grant.action], "kind": grant.action.value}
        about = _about(reader, grant.incident_id)
        return Response(render_template("act.html", **shown, about=about, verdicts=VERDICTS, silences=SILENCES))

    @server.post("/act")
    def follow_link() -> Response:
        try:
            grant = _grant(settings, request.form.get("token", ""), clock())
        except InputError as error:
            return Response(render_template("act.html", wrong=str(error)), 403)
        who = request.form.get("name", "").strip()[:150]
        actor = f"{who} (link to {grant.receiver})" if who else f"link to {grant.receiver}"
        form = {**request.form, "action": grant.action.value, "incident_id": grant.incident_id}
        _write(published, requested(form, actor, clock()))
        return Response(render_template("act.html", done=_SAID[grant.action]))


def requested(form: Mapping[str, str], actor: str, now: datetime) -> PersonAction:
    """The action that a form asks for.

    Raises:
        InputError: it is not whole, such as a silence without its reason.
    """
    action, incident_id = form.get("action", ""), form.get("incident_id", "")
    more: dict[str, Any] = {}
    if action == Kind.VERDICT:
        more["verdict"] = form.get("verdict")
    if action == Kind.MISSED:
        more |= {"about": form.get("about", ""), "happened_at": form.get("happened_at") or None}
        incident_id = ""
    if action == Kind.SILENCE:
        hours = form.get("hours", "")
        if hours not in SILENCES:
            raise InputError("say for how long: " + ", ".join(SILENCES.values()))
        more |= {"matchers": {"incident_id": (incident_id,)}, "starts_at": now}
        more["ends_at"] = now + timedelta(hours=int(hours))
    try:
        return PersonAction(
            action=action, incident_id=incident_id, actor=actor[:200], note=form.get("note", "")[:2000],
            requested_at=now, **more,
        )  # fmt: skip
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InputError(f"{said}. Nothing was noted; go back and mend it.") from error


def waiting(published: Path, incident_id: str = "") -> list[PersonAction]:
    """What was asked for and not yet applied, of one incident or of all."""
    return [action for action in pending(published) if incident_id in ("", action.incident_id)]


def act_panel(published: Path, incident_id: str, asked: Asked, *, is_open: bool, acknowledged: bool) -> Children:
    """The forms of one incident, and what waits for the next `notify`."""
    told: Children = [
        html.P(
            f"Pending: {_words(action)} by {action.actor}; applied by the next `notify`.",
            className="pending",
            role="status",
        )
        for action in waiting(published, incident_id)
    ]
    forms: Children = []
    if is_open and not acknowledged:
        forms.append(_form(Kind.ACKNOWLEDGE, incident_id, asked, [_note("note, if any"), _button("Acknowledge")]))
    if is_open:
        hours = html.Select(
            [html.Option(text, value=value) for value, text in SILENCES.items()],
            name="hours",
            **aria(label="For how long"),
        )
        forms.append(
            _form(Kind.SILENCE, incident_id, asked, [hours, _note("why (needed)", needed=True), _button("Silence")])
        )
        forms.append(_form(Kind.RESOLVE, incident_id, asked, [_note("note, if any"), _button("Resolve")]))
    judged = html.Div([_button(verdict, "verdict", verdict) for verdict in VERDICTS], className="verdicts")
    forms.append(_form(Kind.VERDICT, incident_id, asked, [html.Span("Was it right to tell you?"), judged]))
    return [*told, *forms]


def missed_form(about: str, happened_at: datetime, asked: Asked) -> html.Form:
    """For a story that nobody was alerted to and should have been."""
    return _form(
        Kind.MISSED, "", asked,
        [html.Span("Should this have been an alert?"), _hidden("about", about[:500]),
         _hidden("happened_at", happened_at.isoformat()),
         _note("why, if any"), _button("A missed event")],
    )  # fmt: skip


def _form(kind: Kind, incident_id: str, asked: Asked, parts: Children) -> html.Form:
    hidden = {"form": asked.form, "action": kind.value, "incident_id": incident_id, "next": asked.href()}
    return html.Form(
        [*(_hidden(name, value) for name, value in hidden.items()), *parts],
        action="/do",
        method="POST",
        className=f"act {kind.value}",
    )


def _hidden(name: str, value: str) -> dcc.Input:
    return dcc.Input(type="hidden", name=name, value=value)


def _note(text: str, *, needed: bool = False) -> dcc.Input:
    return dcc.Input(
        type="text", name="note", placeholder=text, required=needed, maxLength=2000, className="note-field"
    )


def _button(text: str, name: str = "", value: str = "") -> html.Button:
    return html.Button(text, type="submit", name=name, value=value) if name else html.Button(text, type="submit")


def _words(action: PersonAction) -> str:
    what = action.verdict.value if action.verdict else action.action.value
    return f"“{what}”" + (f" ({action.note})" if action.note else "")


def _write(published: Path, action: PersonAction) -> None:
    try:
        write(published, action)
    except OSError as error:
        abort(503, f"It could not be noted: {error.strerror}. Try again, or use `barograph incidents`.")


def _grant(settings: Settings, token: str, now: datetime) -> Grant:
    return grant_of(token, settings.notify.link_key.get_secret_value(), now)


def _about(reader: Reader, incident_id: str) -> dict[str, str]:
    """What the snapshot says of it; its id alone, where it was opened before the next publish."""
    try:
        incidents = reader.view().table("incidents")
        row = incidents[incidents["incident_id"] == incident_id].iloc[0]
        return {"id": incident_id, "label": str(row["label"]), "summary": str(row["summary"] or "")}
    except (SnapshotMissing, IndexError):
        return {"id": incident_id, "label": "", "summary": ""}
