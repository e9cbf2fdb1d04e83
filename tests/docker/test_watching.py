"""Who asks the services how they are, and what is done about the answer."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import promql_parser
import pytest
import yaml

from tests.conftest import ROOT
from tests.docker.described import DOCKER, mounts, services


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, True), (500, False), (404, False)])
def test_metrics_are_well_while_they_answer(status: int, well: bool) -> None:
    assert asked("metrics", "/metrics", status) == well


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False), (404, False)])
def test_the_dashboard_is_well_while_it_says_so(status: int, well: bool) -> None:
    assert asked("dashboard", "/healthz", status) == well


def asked(name: str, path: str, status: int) -> bool:
    """How the check of a service ends where its port answers `path` with `status`, and all else with 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == path else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    command = services()[name]["command"]
    port = command[command.index("--port") + 1]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            _, _, *arguments = services()[name]["healthcheck"]["test"]
            there = [argument.replace(port, str(server.server_port)) for argument in arguments]
            return subprocess.run([sys.executable, *there], capture_output=True, timeout=30).returncode == 0
        finally:
            server.shutdown()
            thread.join()


def test_postgres_is_well_when_it_answers_over_tcp() -> None:
    check = services()["postgres"]["healthcheck"]
    assert check["test"][1:4] == ["pg_isready", "--host", "127.0.0.1"]
    assert check["start_period"]


def test_alertmanager_can_read_the_file_that_it_is_started_with() -> None:
    (mount,) = (volume for volume in mounts("alertmanager").values() if volume["type"] == "bind")
    assert f"--config.file={mount['target']}" in services()["alertmanager"]["command"]
    file = DOCKER / mount["source"]
    told = yaml.safe_load(file.read_text("utf-8"))
    assert told["route"]["receiver"] in {receiver["name"] for receiver in told["receivers"]}
    if amtool := shutil.which("amtool"):
        subprocess.run([amtool, "check-config", file], check=True, capture_output=True, timeout=30)


def test_alert_rules_are_promql_and_lead_to_a_page_that_is_there() -> None:
    groups = yaml.safe_load((DOCKER / "prometheus" / "rules.yaml").read_text("utf-8"))["groups"]
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for rule in (rule for group in groups for rule in group["rules"]):
        promql_parser.parse(rule["expr"])
        assert f"**{rule['alert']}**" in page
        assert "### When an alert fires" in page


def test_prometheus_scrapes_the_port_that_is_served() -> None:
    config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    service, port = target.split(":")
    assert port in services()[service]["command"]
