"""The services of `docker/compose.yaml` as this machine has them: where mounts, secrets and addresses are here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docker.described import DOCKER, dockerfile, mounts, on_host, services

__all__ = ["OWN", "Here", "components"]

ROOT = DOCKER.parent
# A container is a machine with a name of its own; here the name is a variable.
NAMES, NAME = "container_name", "CONTAINER_NAME"
OWN = {
    "AIRFLOW__API__HOST": "127.0.0.1",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{NAMES}.name",
    # A test starts what it looks at: whether a report is due depends on the hour.
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    # The files do not change, and seven parsed every 30 seconds are a third of a core.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
}
"""What is set otherwise than in the containers."""


def components() -> dict[str, dict[str, Any]]:
    """The services that are a component of Airflow, and the one that prepares for them."""
    return {name: about for name, about in services().items() if about.get("command", [""])[0] == "airflow-component"}


@dataclass(frozen=True)
class Here:
    """`working`: the folder made by `barograph init`; `ports`: those of 127.0.0.1, by service."""

    folder: Path
    working: Path
    ports: dict[str, int]

    def make(self) -> None:
        """The secrets, and /opt as the Dockerfile fills it."""
        subprocess.run([DOCKER / "secrets" / "make.sh", self.secrets], check=True, timeout=30)
        copied = re.findall(r"^COPY (?:--chmod=\d+ )?(\S+) /opt/(\S+)$", dockerfile(), re.MULTILINE)
        assert {target for _, target in copied} == {"dags", "pools.json", "bin/airflow-component"}
        for source, target in copied:
            here = self.folder / "opt" / target
            here.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, here, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, here)
        names = self.folder / "opt" / "lib" / f"{NAMES}.py"
        names.parent.mkdir()
        names.write_text(f'import os\n\n\ndef name():\n    return os.environ["{NAME}"]\n', encoding="utf-8")
        for name in services():
            self._make_root(name)

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def volume(self, name: str) -> Path:
        return self.folder / "volumes" / name

    def root(self, service: str) -> Path:
        """What is / to the service, as far as no mount covers it."""
        return self.folder / service

    def secret(self, service: str, name: str) -> Path:
        """The file of a secret that the service was given."""
        return self.root(service) / "run" / "secrets" / name

    def command(self, service: str) -> list[str]:
        words = [self._translated(service, str(word)) for word in services()[service]["command"]]
        return [str(self.ports[service]) if word == "8080" else word for word in words]

    def environment(self, service: str) -> dict[str, str]:
        """That of the image and of the compose file; ours alone tells where programs are."""
        image = dict(re.findall(r"((?:AIRFLOW|BAROGRAPH|HF)_\w+)=(\S+)", dockerfile()))
        given = image | services()[service]["environment"]
        strange = ("AIRFLOW", "BAROGRAPH", "PYTEST")
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(strange)},
            **{key: self._translated(service, str(value)) for key, value in given.items()},
            **OWN,
            NAME: service,
            "PATH": f"{self.folder / 'opt' / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "opt" / "lib"),
        }

    def _make_root(self, service: str) -> None:
        for place in ("tmp", "run/secrets", "etc"):
            (self.root(service) / place).mkdir(parents=True)
        for target, volume in mounts(service).items():
            here = self._mounted(service, target, volume)
            if volume["type"] == "volume":
                here.mkdir(parents=True, exist_ok=True)
            elif here.is_relative_to(self.root(service)) and on_host(volume).startswith("BAROGRAPH_FOLDER/"):
                # One file of the folder: a copy, so that what stands beside it is not seen.
                here.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.working / Path(on_host(volume)).name, here)
        for name in services()[service].get("secrets", ()):
            text = (self.secrets / name).read_text("utf-8")
            self.secret(service, name).write_text(self._translated(service, text), encoding="utf-8")

    def _mounted(self, service: str, target: str, volume: dict[str, Any]) -> Path:
        """Where a mount of the service is here."""
        if volume["type"] == "volume":
            return self.volume(volume["source"]) / str(volume.get("volume", {}).get("subpath", ""))
        if on_host(volume) == "BAROGRAPH_FOLDER":
            return self.working
        return self.root(service) / target[1:]

    def _translated(self, service: str, value: str) -> str:
        """A value of the compose file, the image or a secret, with the addresses and folders of this machine."""
        value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for name, port in self.ports.items():
            value = re.sub(rf"(?<=[/@]){name}(:\d+)?/", f"127.0.0.1:{port}/", value)
        seen = {target: self._mounted(service, target, volume) for target, volume in mounts(service).items()}
        # What no mount covers is the image's, and /opt is in all of them the same.
        seen |= {f"/{top}": self.root(service) / top for top in ("tmp", "run", "data", "etc") if f"/{top}" not in seen}
        seen |= {"/opt": self.folder / "opt"}
        paths = "|".join(re.escape(target) for target in sorted(seen, key=len, reverse=True))
        # A path stands alone, or after the = or the blank of an option.
        found = re.compile(rf"(^|[= ])({paths})(?=/|$)", re.MULTILINE)
        return found.sub(lambda match: f"{match[1]}{seen[match[2]]}", value)
