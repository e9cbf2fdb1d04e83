"""Images and compose file, as far as they can be checked without a container engine: linters and our own promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.conftest import ROOT

DOCKER = ROOT / "docker"
BIN = Path(sys.executable).parent
SHELL = ("airflow.sh", "postgres/roles.sh", "secrets/make.sh")


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    """The folder as an operator has it: .env from the example, the CUDA file as the override that compose merges."""
    folder = tmp_path / "docker"
    shutil.copytree(DOCKER, folder, ignore=shutil.ignore_patterns("__pycache__", "*_*_*"))
    shutil.copy(folder / ".env.example", folder / ".env")
    (folder / "compose.cuda.yaml").rename(folder / "compose.override.yaml")
    return folder


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]
    return found


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_lint_finds_nothing(compose: Path) -> None:
    done = subprocess.run(
        [BIN / "compose-lint", "check", "--format", "json", "--fail-on", "low", "--strict-config", "--skip-suppressed"],
        cwd=compose,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_is_hardened_restarts_and_is_asked_how_it_is(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] not in ("root", "0", "0:0")
    assert re.search(r":[\w.${}:-]*\d+\.\d+", service["image"]), "an exact version"
    assert service["deploy"]["resources"]["limits"]["memory"]
    if name != "prepare":  # it runs once
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


def test_secrets_are_files_and_go_only_to_who_needs_them() -> None:
    given = {name: set(service.get("secrets", ())) for name, service in services().items()}
    declared = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["secrets"]
    assert set().union(*given.values()) == set(declared)
    assert all(set(source) == {"file"} for source in declared.values())
    holds_store = {name for name, secrets in given.items() if "barograph_store__warehouse" in secrets}
    assert holds_store == {"worker-default", "worker-gpu"}
    holds_metadata = {name for name, secrets in given.items() if "airflow_db" in secrets}
    assert not holds_metadata & holds_store, "a task cannot reach Airflow's own database"
    assert not given["metrics"]
    environment = json.dumps([service.get("environment", {}) for service in services().values()])
    assert not re.search(r"password[\"']?: |secret[\"']?: |://[^\"]*@", environment, re.IGNORECASE)


def test_a_reader_cannot_write_what_it_reads_and_does_not_see_the_store() -> None:
    for name in ("dashboard", "metrics"):
        mounts = {volume["target"]: volume for volume in services()[name]["volumes"]}
        assert "/data" not in mounts
        assert mounts["/data/published"]["read_only"] is True
        assert "databases" not in services()[name]["networks"]


def test_ports_are_opened_on_loopback_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    text = (DOCKER / "compose.yaml").read_text("utf-8") + (DOCKER / "compose.cuda.yaml").read_text("utf-8")
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    given = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert asked == given


def test_the_image_is_made_of_nothing_that_is_ignored() -> None:
    copied = re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    sources = {word for line in copied for word in line.split() if not word.startswith("/opt/")}
    let_in = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    assert sources == let_in
    assert all((ROOT / source).exists() for source in sources)


def test_secrets_are_made_once_and_fit_each_other(tmp_path: Path) -> None:
    make = [DOCKER / "secrets" / "make.sh", tmp_path / "secrets"]
    subprocess.run(make, check=True, timeout=30)
    before = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    declared = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["secrets"]
    assert set(before) == set(declared)
    assert before["lake_password"] in before["barograph_store__warehouse"]
    assert before["redis_password"] in before["airflow_broker"]
    assert len(set(before.values())) == len(before)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in (tmp_path / "secrets").iterdir())
    subprocess.run(make, check=True, timeout=30)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == before


@pytest.mark.parametrize("script", SHELL)
def test_a_script_is_plain_shell_and_may_be_run(script: str) -> None:
    assert os.access(DOCKER / script, os.X_OK)
    subprocess.run(["sh", "-n", DOCKER / script], check=True, timeout=30)


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
