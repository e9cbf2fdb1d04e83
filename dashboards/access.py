"""Who may see the pages and act on them: a name from the reverse proxy, a password, or, on this machine alone, anybody.

Every form that changes something carries a token that only this browser's session knows.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, abort, redirect, render_template, request, session
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response as AnyResponse

from pipeline.errors import SettingsError
from pipeline.settings import Dashboard

__all__ = ["LOCAL", "asked_for_passwords", "check_form", "form_token", "guard", "here", "passwords", "user"]

LOCAL = "somebody at this machine"
# What is served to everybody: whether we are alive, the way in, a link that carries its own right, and style.
_OPEN = ("/healthz", "/login", "/act", "/assets/", "/favicon.ico")
# So that a name that is not there takes as long as one that is.
_NOBODY = "scrypt:32768:8:1$none$" + "0" * 128


def guard(server: Flask, settings: Dashboard) -> None:
    """Let nobody in who has no name, and give each session its key.

    Raises:
        SettingsError: the pages would be served to other machines with nobody asked who they are.
    """
    known = passwords(settings.passwords) if settings.passwords else {}
    if not (known or settings.user_header or _loopback(settings.host)):
        raise SettingsError(
            f"[dashboard] host {settings.host} is seen from other machines, and nobody would be asked who they are. Set"
            " user_header (a reverse proxy that logs people in) or passwords (`barograph users add NAME`), or serve on"
            " 127.0.0.1."
        )
    server.secret_key = settings.session_key.get_secret_value() or secrets.token_hex(32)
    server.config.update(
        SESSION_COOKIE_NAME="barograph", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=1 << 20, BAROGRAPH_HEADER=settings.user_header, BAROGRAPH_ASKED=bool(known),
    )  # fmt: skip

    open_to_all = not (known or settings.user_header)

    @server.before_request
    def known_or_out() -> AnyResponse | None:
        # A name of somebody else's that leads to this machine would let a foreign page read ours.
        if open_to_all and not _loopback(urlsplit(f"//{request.host}").hostname or ""):
            abort(403, "Nobody is asked who they are here, so only http://127.0.0.1 and http://localhost are served.")
        if user() is not None or request.path.startswith(_OPEN):
            return None
        if settings.user_header or request.path.startswith("/_") or request.method != "GET":
            abort(401)
        return redirect(f"/login?next={request.path}", 303)

    if known:
        _login(server, known)


def user() -> str | None:
    """Who asks; None where nobody said and somebody must."""
    config = _server_config()
    if header := str(config["BAROGRAPH_HEADER"]):
        return request.headers.get(header, "").strip()[:200] or None
    if config["BAROGRAPH_ASKED"]:
        name = session.get("user")
        return str(name) if name else None
    return LOCAL


def asked_for_passwords() -> bool:
    """Whether people log in here, and not at a proxy."""
    return bool(_server_config()["BAROGRAPH_ASKED"]) and not _server_config()["BAROGRAPH_HEADER"]


def form_token() -> str:
    """What a form of this session must carry."""
    if "form" not in session:
        session["form"] = secrets.token_hex(16)
    return str(session["form"])


def check_form() -> None:
    """Refuse a form that this session's pages did not make."""
    if not hmac.compare_digest(str(session.get("form", "-")), request.form.get("form", "")):
        abort(403, "This form was not made by this page, or the session has ended. Go back, reload, and try again.")


def here(address: str | None) -> str:
    """An address within the pages to go on to; home for anything else."""
    parts = urlsplit(address or "/")
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and "\\" not in (address or "")
    return (address or "/") if ours and not parts.path.startswith("//") else "/"


def passwords(path: Path) -> Mapping[str, str]:
    """Name -> hash, from a file of lines `name:hash` (`barograph users add`).

    Raises:
        SettingsError: it cannot be read, or a line is no such pair.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: cannot be read ({error}). Make it with `barograph users add NAME`, or mend [dashboard] passwords."
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, mark, digest = line.strip().partition(":")
        if not (name and mark and digest.count("$") == 2):
            raise SettingsError(f"{path}, line {number}: not `name:hash`. Write it with `barograph users add NAME`.")
        found[name] = digest
    return found


def _login(server: Flask, known: Mapping[str, str]) -> None:
    @server.get("/login")
    def login_page() -> str:
        return render_template("login.html", form=form_token(), next=here(request.args.get("next")), wrong=False)

    @server.post("/login")
    def log_in() -> AnyResponse:
        check_form()
        name, onward = request.form.get("name", ""), here(request.form.get("next"))
        right = check_password_hash(known.get(name, _NOBODY), request.form.get("password", ""))
        if not (right and name in known):
            return Response(render_template("login.html", form=form_token(), next=onward, wrong=True), 401)
        session.clear()
        session["user"] = name
        return redirect(onward, 303)

    @server.post("/logout")
    def log_out() -> AnyResponse:
        check_form()
        session.clear()
        return redirect("/login", 303)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _server_config() -> Mapping[str, object]:
    from flask import current_app

    return current_app.config
