"""The services of the compose file: linted, hardened, and each seeing and reaching what it needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.described import DOCKER, dockerfile, mounts, on_host, ours, services

BIN = Path(sys.executable).parent


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    """The folder as an operator has it: .env from the example, the CUDA file as the override that compose merges."""
    folder = tmp_path / "docker"
    shutil.copytree(DOCKER, folder, ignore=shutil.ignore_patterns("__pycache__", "*_*_*"))
    shutil.copy(folder / ".env.example", folder / ".env")
    (folder / "compose.cuda.yaml").rename(folder / "compose.override.yaml")
    return folder


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


def test_a_reader_cannot_write_what_it_reads_and_does_not_see_the_store() -> None:
    for name in ("dashboard", "metrics"):
        assert "/data" not in mounts(name)
        assert mounts(name)["/data/published"]["read_only"] is True
        assert "databases" not in services()[name]["networks"]


def test_the_copies_that_the_pages_look_rows_up_in_lie_on_a_disk() -> None:
    assert services()["dashboard"]["environment"]["TMPDIR"] == "/pages"
    assert mounts("dashboard")["/pages"]["type"] == "volume"
    assert not mounts("dashboard")["/pages"].get("read_only")


def test_of_the_working_folder_a_service_sees_what_it_reads() -> None:
    seen = {
        name: {on_host(volume) for volume in mounts(name).values() if volume["type"] == "bind"} for name in services()
    }
    assert {name for name, sources in seen.items() if "BAROGRAPH_FOLDER" in sources} == {"worker-default"}
    settings = {name for name, sources in seen.items() if "BAROGRAPH_FOLDER/barograph.toml" in sources}
    assert settings == {"dag-processor", "worker-gpu", "dashboard", "metrics"}
    assert seen["alertmanager"] == {"./alertmanager/alertmanager.yaml"}
    assert all(
        volume["read_only"] for name in services() for volume in mounts(name).values() if volume["type"] == "bind"
    )


def test_only_workers_write_the_lake_and_only_the_api_server_reads_its_passwords() -> None:
    whole = {
        name
        for name in services()
        for volume in mounts(name).values()
        if volume["source"] == "data" and "subpath" not in volume.get("volume", {})
    }
    assert whole == {"prepare", "worker-default", "worker-gpu"}
    assert {name for name in services() if "/passwords" in mounts(name)} == {"prepare", "api-server"}
    kept = services()["api-server"]["environment"]["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
    assert Path(kept).parent == Path("/passwords")
    # Each starts after it: a volume has the folders and the owner of the image once `prepare` has been there.
    named = {volume["source"] for name in ours() for volume in mounts(name).values() if volume["type"] == "volume"}
    assert named == {volume["source"] for volume in mounts("prepare").values()}
    made = re.search(r"install -d -o barograph -g barograph (.+?) &&", dockerfile())
    assert made
    assert {volume["target"] for volume in mounts("prepare").values()} <= set(made[1].split())


def test_alertmanager_is_reached_by_who_sends_and_scrapes_and_by_no_other() -> None:
    near = set(services()["alertmanager"]["networks"])
    others = {name for name, service in services().items() if near & set(service["networks"])}
    assert others == {"alertmanager", "worker-default", "prometheus", "metrics"}


def test_ports_are_opened_on_loopback_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    text = (DOCKER / "compose.yaml").read_text("utf-8") + (DOCKER / "compose.cuda.yaml").read_text("utf-8")
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    given = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert asked == given
