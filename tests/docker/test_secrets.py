"""Secrets and settings of the services: made once, handed out as files, and to nobody who has no use for them."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import runpy
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from dashboards.access import passwords
from pipeline.settings import load
from tests.conftest import ROOT
from tests.docker.described import DOCKER, compose_file, dockerfile, mounts, on_host, ours, services

SHELL = ("airflow.sh", "postgres/roles.sh", "secrets/make.sh")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "secrets"
    subprocess.run([DOCKER / "secrets" / "make.sh", folder], check=True, timeout=30)
    return folder


def test_secrets_are_files_and_go_only_to_who_needs_them() -> None:
    given = {name: set(service.get("secrets", ())) for name, service in services().items()}
    declared = compose_file()["secrets"]
    assert set().union(*given.values()) == set(declared)
    assert all(set(source) == {"file"} for source in declared.values())
    holds_store = {name for name, secrets in given.items() if "barograph_store__warehouse" in secrets}
    assert holds_store == {"worker-default", "worker-gpu"}
    holds_metadata = {name for name, secrets in given.items() if "airflow_db" in secrets}
    assert not holds_metadata & holds_store, "a task cannot reach Airflow's own database"
    assert not given["metrics"]
    environment = json.dumps([service.get("environment", {}) for service in services().values()])
    assert not re.search(r"password[\"']?: |secret[\"']?: |://[^\"]*@", environment, re.IGNORECASE)


def test_secrets_are_made_once_and_fit_each_other(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    declared = compose_file()["secrets"]
    assert set(before) == set(declared)
    assert before["lake_password"] in before["barograph_store__warehouse"]
    assert before["redis_password"] in before["airflow_broker"]
    assert len(set(before.values())) == len(before)
    Fernet(before["airflow_fernet"])
    assert passwords(secrets / "dashboard_users") == {}
    subprocess.run([DOCKER / "secrets" / "make.sh", secrets], check=True, timeout=30)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before


def test_secrets_are_readable_to_the_services_in_a_folder_that_nobody_else_can_enter(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in secrets.iterdir())


@pytest.mark.parametrize("name", ["dag-processor", "worker-default", "worker-gpu", "dashboard", "metrics"])
def test_a_service_can_load_its_settings(
    name: str, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the folders and variables of the image, its own secrets, and what it sees of the working folder."""
    for folder in re.findall(r"(?<= )/[\w/]+", "".join(re.findall(r"install -d.*", dockerfile()))):
        (tmp_path / folder[1:]).mkdir(parents=True, exist_ok=True)
    for secret in services()[name].get("secrets", ()):
        shutil.copy(secrets / secret, tmp_path / "run" / "secrets")
    working = {"BAROGRAPH_FOLDER": "", "BAROGRAPH_FOLDER/barograph.toml": "barograph.toml"}
    for target, volume in mounts(name).items():
        if on_host(volume) in working:
            source, seen = ROOT / "pipeline" / "defaults" / working[on_host(volume)], tmp_path / target[1:]
            seen.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, seen) if source.is_dir() else shutil.copy(source, seen)
    image = dict(re.findall(r"(BAROGRAPH_\w+)=(\S+)", dockerfile()))
    for variable, value in (image | services()[name]["environment"]).items():
        monkeypatch.setenv(variable, f"{tmp_path}{value}" if value.startswith("/") else value)
    settings = load(os.environ["BAROGRAPH_CONFIG"])
    assert settings.store.published == tmp_path / "data" / "published"
    assert settings.log.format == "json"
    assert settings.store.warehouse.startswith("ducklake:postgres:") == name.startswith("worker-")


@pytest.mark.parametrize("name", [name for name in ours() if services()[name]["command"][0] == "airflow-component"])
def test_a_component_of_airflow_is_started_with_the_secrets_that_it_was_given(
    name: str, secrets: Path, tmp_path: Path
) -> None:
    given = tmp_path / "secrets"
    given.mkdir()
    for secret in services()[name]["secrets"]:
        shutil.copy(secrets / secret, given)
    # It stands for the program that is started, and says what it was started with.
    (tmp_path / "airflow").write_text('#!/bin/sh\nenv | grep ^AIRFLOW__; echo "arguments $*"\n')
    (tmp_path / "airflow").chmod(0o755)
    path, home = f"{tmp_path}:/usr/bin:/bin", str(tmp_path / "home")
    environment = {"PATH": path, "AIRFLOW_HOME": home, "BAROGRAPH_FILES": str(given)}
    command = [DOCKER / "airflow.sh", *services()[name]["command"][1:]]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30).stdout
    found = {key for key in dict(re.findall(r"^(AIRFLOW__\w+)=(.+)$", said, re.MULTILINE))}
    assert len(found) == len([secret for secret in services()[name]["secrets"] if secret.startswith("airflow_")])
    assert found <= options_of_airflow()
    assert ("AIRFLOW__CORE__FERNET_KEY" in found) == ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in found)
    assert ("AIRFLOW__API__SECRET_KEY" in found) == (name == "api-server")
    assert "arguments pools import" in said if name == "prepare" else f"arguments {command[1]}" in said


def test_what_is_set_of_airflow_is_an_option_of_the_airflow_that_is_pinned() -> None:
    asked = {key for name in ours() for key in services()[name]["environment"] if key.startswith("AIRFLOW__")}
    assert asked
    assert asked <= options_of_airflow()


@functools.cache
def options_of_airflow() -> set[str]:
    """Of itself and of Celery's provider, as variables; read from files, because importing Airflow takes seconds."""
    spec = importlib.util.find_spec("airflow")
    assert spec
    assert spec.submodule_search_locations
    home = Path(spec.submodule_search_locations[0])
    core = yaml.safe_load((home / "config_templates" / "config.yml").read_text("utf-8"))
    celery: dict[str, Any] = runpy.run_path(f"{home}/providers/celery/get_provider_info.py")["get_provider_info"]()
    return {
        f"AIRFLOW__{section}__{option}".upper()
        for described in (core, celery["config"])
        for section, about in described.items()
        for option in about["options"]
    }


@pytest.mark.parametrize("script", SHELL)
def test_a_script_is_plain_shell_and_may_be_run(script: str) -> None:
    assert os.access(DOCKER / script, os.X_OK)
    subprocess.run(["sh", "-n", DOCKER / script], check=True, timeout=30)
