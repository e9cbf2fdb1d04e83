"""Who gets in, who may change something, and what a link in a message allows: against the real server."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from dashboards.access import here, passwords
from dashboards.address import Asked
from dashboards.app import content_of, create_app
from dashboards.data import View
from dashboards.pages import PAGES, Page
from pipeline.actions import Grant, Kind, PersonAction, Verdict, pending, token
from pipeline.errors import SettingsError
from pipeline.settings import Settings
from tests.dashboards import sample

KEY = "k" * 40
INCIDENT = "ab" * 16
ANYWHERE = "0.0.0.0"


def _settings(published: Path, **dashboard: Any) -> Settings:
    return Settings(store={"published": published}, notify={"link_key": KEY}, dashboard=dashboard)


def _client(settings: Settings) -> FlaskClient:
    client: FlaskClient = create_app(settings, clock=lambda: sample.NOW).server.test_client()
    return client


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "published"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(f"# ours\nada:{generate_password_hash('correct horse battery')}\n", "utf-8")
    return path


def _form(client: FlaskClient) -> str:
    """What the session's forms carry, as a page would have it."""
    answer = client.get("/login")
    found = re.search(r'name="form" value="([0-9a-f]+)"', answer.get_data(as_text=True))
    assert found
    return found[1]


def _log_in(client: FlaskClient, password: str = "correct horse battery", onward: str = "/") -> Any:
    return client.post("/login", data={"form": _form(client), "name": "ada", "password": password, "next": onward})


def _page(client: FlaskClient, path: str) -> str:
    """What the browser is told to show at an address, as text."""
    told = client.get("/_dash-dependencies").get_json()
    output = next(one["output"] for one in told if one["output"].startswith("..page.children..."))
    outputs = output.strip(".").split("...")
    inputs = [("url", "pathname", path), ("url", "search", ""), ("snapshot", "children", "now")]
    asked = {
        "output": output,
        "outputs": [dict(zip(("id", "property"), one.split("."), strict=True)) for one in outputs],
        "inputs": [dict(zip(("id", "property", "value"), one, strict=True)) for one in inputs],
        "state": [{"id": "rendered", "property": "children", "value": None}],
        "changedPropIds": ["url.pathname"],
    }
    answer = client.post("/_dash-update-component", json=asked)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return json.dumps(answer.get_json()["response"]["page"]["children"])


def _token(client: FlaskClient) -> str:
    with client.session_transaction() as session:
        return str(session["form"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_nobody_is_served_the_token_of_another(root: Path, page: Page) -> None:
    app = create_app(_settings(root), clock=lambda: sample.NOW).server
    path = {"/incidents/": "/incidents/i3", "/story": "/story/s0000"}.get(page.path, page.path)
    first, second = app.test_client(), app.test_client()
    told = [_page(client, path) for client in (first, second)]
    tokens = [_token(client) for client in (first, second)]
    assert all(other not in text for other, text in zip(reversed(tokens), told, strict=True))
    assert [token in text for token, text in zip(tokens, told, strict=True)] == [not page.shared] * 2


def test_a_form_on_a_shared_page_gets_no_token(view: View) -> None:
    def show(_view: View, asked: Asked, _now: datetime) -> tuple[str, list[Any]]:
        return "New", [asked.form]

    mine = Asked("/new", form="f" * 32)
    assert content_of(Page("/new", "New", show), view, mine, sample.NOW) == ("New", [mine.form])
    assert content_of(Page("/new", "New", show, shared=True), view, mine, sample.NOW) == ("New", [""])


def test_other_machines_see_nothing_unless_somebody_asks_who_they_are(root: Path) -> None:
    with pytest.raises(SettingsError, match=r"nobody would be asked.*user_header.*passwords"):
        create_app(_settings(root, host=ANYWHERE))
    assert _client(_settings(root)).get("/").status_code == 200
    assert _client(_settings(root, host="::1")).get("/").status_code == 200


def test_a_foreign_name_that_leads_to_this_machine_is_refused(root: Path) -> None:
    client = _client(_settings(root))
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "localhost:8050"}).status_code == 200
    assert client.get("/", headers={"Host": "[::1]:8050"}).status_code == 200


def test_a_proxy_names_who_logged_in(root: Path) -> None:
    client = _client(_settings(root, host=ANYWHERE, user_header="X-Forwarded-User"))
    assert client.get("/").status_code == 401
    assert client.get("/_dash-layout").status_code == 401
    assert client.get("/", headers={"X-Forwarded-User": "ada"}).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_a_password_lets_in_and_a_session_ends(root: Path, file: Path) -> None:
    client = _client(_settings(root, host=ANYWHERE, passwords=file))
    turned = client.get("/incidents")
    assert (turned.status_code, turned.location) == (303, "/login?next=/incidents")
    assert client.post("/_dash-update-component").status_code == 401
    assert _log_in(client, "wrong").status_code == 401
    assert client.get("/incidents").status_code == 303
    entered = _log_in(client, onward="/incidents")
    assert (entered.status_code, entered.location) == (303, "/incidents")
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/incidents").status_code == 200
    with client.session_transaction() as session:
        session["form"] = "f" * 32
    assert client.post("/logout", data={"form": "f" * 32}).status_code == 303
    assert client.get("/incidents").status_code == 303


def test_nobody_is_let_in_by_a_name_that_is_not_there(root: Path, file: Path) -> None:
    client = _client(_settings(root, host=ANYWHERE, passwords=file))
    answer = client.post("/login", data={"form": _form(client), "name": "eve", "password": "0" * 12})
    assert answer.status_code == 401
    assert "Name or password is wrong" in answer.get_data(as_text=True)


@pytest.mark.parametrize("line", ["ada", "ada:", ":x$y$z", "ada:plain"])
def test_a_broken_line_of_the_file_of_passwords_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "users"
    path.write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(SettingsError, match="line 2"):
        passwords(path)
    with pytest.raises(SettingsError, match="users add"):
        passwords(tmp_path / "none")


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/incidents?state=open", "/incidents?state=open"), (None, "/"), ("", "/"), ("https://evil.example/", "/"),
        ("//evil.example/", "/"), ("/\\evil.example", "/"), ("javascript:alert(1)", "/"), ("incidents", "/"),
    ],
)  # fmt: skip
def test_nobody_is_sent_on_to_another_site(asked: str | None, goes: str) -> None:
    assert here(asked) == goes


def _ready(settings: Settings) -> tuple[FlaskClient, dict[str, str]]:
    client = _client(settings)
    with client.session_transaction() as session:
        session["form"] = "f" * 32
    return client, {"form": "f" * 32, "incident_id": INCIDENT, "next": f"/incidents/{INCIDENT}"}


@pytest.mark.parametrize(
    ("form", "made"),
    [
        ({"action": "acknowledge", "note": "mine"}, {"action": Kind.ACKNOWLEDGE, "note": "mine"}),
        ({"action": "resolve"}, {"action": Kind.RESOLVE}),
        ({"action": "verdict", "verdict": "wrong company"}, {"action": Kind.VERDICT, "verdict": Verdict.WRONG_COMPANY}),
        (
            {"action": "silence", "hours": "24", "note": "known"},
            {"matchers": {"incident_id": (INCIDENT,)}, "ends_at": sample.NOW + timedelta(hours=24)},
        ),
        ({"action": "missed", "about": "Velmont fell"}, {"incident_id": "", "about": "Velmont fell"}),
    ],
)  # fmt: skip
def test_a_form_of_the_page_writes_one_action(root: Path, form: dict[str, str], made: dict[str, Any]) -> None:
    client, sent = _ready(_settings(root))
    answer = client.post("/do", data=sent | form)
    assert (answer.status_code, answer.location) == (303, f"/incidents/{INCIDENT}")
    client.post("/do", data=sent | form)
    (action,) = pending(root)
    for name, value in made.items():
        assert getattr(action, name) == value
    assert action.actor == "somebody at this machine"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"action": "silence", "hours": "24"}, "reason"),
        ({"action": "silence", "hours": "9999", "note": "x"}, "how long"),
        ({"action": "verdict", "verdict": "fine"}, "Nothing was noted"),
        ({"action": "verdict", "verdict": "missed event"}, "one of"),
        ({"action": "nonsense"}, "Nothing was noted"),
        ({"action": "acknowledge", "incident_id": "../../x"}, "Nothing was noted"),
        ({"action": "missed", "about": " "}, "what was missed"),
    ],
)
def test_a_form_that_is_not_whole_says_so_and_writes_nothing(root: Path, form: dict[str, str], told: str) -> None:
    client, sent = _ready(_settings(root))
    answer = client.post("/do", data=sent | form)
    assert answer.status_code == 400
    assert told in answer.get_data(as_text=True)
    assert pending(root) == []


def test_a_form_of_another_site_is_refused(root: Path) -> None:
    client, sent = _ready(_settings(root))
    assert client.post("/do", data=sent | {"action": "resolve", "form": "0" * 32}).status_code == 403
    assert client.post("/do", data={"action": "resolve", "incident_id": INCIDENT}).status_code == 403
    assert _client(_settings(root)).post("/do", data=sent | {"action": "resolve"}).status_code == 403
    assert client.get("/do", query_string=sent | {"action": "resolve"}).status_code in (200, 405)
    assert pending(root) == []


def test_who_acts_is_who_logged_in(root: Path, file: Path) -> None:
    client = _client(_settings(root, host=ANYWHERE, passwords=file))
    _log_in(client)
    with client.session_transaction() as session:
        session["form"] = "f" * 32
    client.post("/do", data={"form": "f" * 32, "action": "resolve", "incident_id": INCIDENT, "actor": "eve"})
    assert [action.actor for action in pending(root)] == ["ada"]


def _link(kind: Kind, days: int = 7, key: str = KEY) -> str:
    return token(Grant(kind, INCIDENT, "desk", sample.NOW + timedelta(days=days)), key)


def test_a_link_asks_and_only_its_post_acts_without_a_login(root: Path, file: Path) -> None:
    client = _client(_settings(root, host=ANYWHERE, passwords=file))
    signed = _link(Kind.ACKNOWLEDGE)
    for _ in range(2):
        asked = client.get("/act", query_string={"token": signed})
        assert asked.status_code == 200
        assert INCIDENT in asked.get_data(as_text=True)
    assert pending(root) == []
    done = client.post("/act", data={"token": signed, "name": "Ada", "action": "resolve", "incident_id": "cd" * 16})
    assert done.status_code == 200
    (action,) = pending(root)
    assert (action.action, action.incident_id, action.actor) == (Kind.ACKNOWLEDGE, INCIDENT, "Ada (link to desk)")


@pytest.mark.parametrize("signed", ["", "x", _link(Kind.RESOLVE, days=-1), _link(Kind.RESOLVE, key="z" * 40)])
def test_a_link_that_ran_out_or_was_changed_does_nothing(root: Path, signed: str) -> None:
    client = _client(_settings(root))
    for answer in (client.get("/act", query_string={"token": signed}), client.post("/act", data={"token": signed})):
        assert answer.status_code == 403
        assert "Nothing was done" in answer.get_data(as_text=True)
    assert pending(root) == []


def test_what_a_page_answers_is_never_markup_of_a_feed(root: Path) -> None:
    client = _client(_settings(root))
    shown = client.get("/act", query_string={"token": _link(Kind.VERDICT)}).get_data(as_text=True)
    assert shown.count('name="verdict"') == len(Verdict) - 1
    wrong = client.get("/act", query_string={"token": "<script>1</script>"}).get_data(as_text=True)
    assert "<script>" not in wrong
    assert client.get("/act").headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_an_action_file_is_what_notify_reads(root: Path) -> None:
    client, sent = _ready(_settings(root))
    client.post("/do", data=sent | {"action": "resolve"})
    (path,) = (root.parent / "spool" / "actions").glob("*.json")
    action = PersonAction.model_validate_json(path.read_bytes())
    assert path.stem == action.action_id()
