"""What the Dockerfile and the compose file say, for tests that hold them to our promises."""

from __future__ import annotations

import functools
import re
from typing import Any

import yaml

from tests.conftest import ROOT

__all__ = ["DOCKER", "compose_file", "dockerfile", "mounts", "on_host", "ours", "services"]

DOCKER = ROOT / "docker"


@functools.cache
def compose_file() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
    return found


def services() -> dict[str, dict[str, Any]]:
    return compose_file()["services"]


def ours() -> list[str]:
    return sorted(name for name, service in services().items() if service["image"].startswith("barograph:"))


def mounts(name: str) -> dict[str, dict[str, Any]]:
    """What a service sees, by the path at which it does."""
    return {volume["target"]: volume for volume in services()[name].get("volumes", ())}


def dockerfile() -> str:
    """The instructions, one a line."""
    return re.sub(r" *\\\n *", " ", (DOCKER / "Dockerfile").read_text("utf-8"))


def on_host(volume: dict[str, Any]) -> str:
    """The source of a bind mount without the messages for variables that are not set."""
    return re.sub(r"\$\{(\w+)[^}]*\}", r"\1", volume["source"])
