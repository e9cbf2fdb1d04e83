"""One file that an auditor checks without us: a zip with the case, a page to read, and a script that checks it."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files
from typing import Any

from pipeline.audit.case import Case
from pipeline.audit.page import page
from pipeline.detect.evidence import versions

__all__ = ["export"]

_README = """Incident {incident_id}
{label}: {summary}

incident.html   to read
case.json       everything that was kept: steps, evidence, configurations, messages
check.py        checks this file; Python 3.9 or later, nothing else

    python {name}                 checks the file as it is
    python check.py {name}        the same, with the script taken out

The rows of evidence are chained: sha256(previous_sha256 + payload), UTF-8, hex; the first has no previous. A row that
had to be forgotten keeps its sha256 and says who had it removed, when and why.
"""
# A zip knows no time zone and nothing before 1980; one moment for all makes the file depend on its content only.
_MOMENT = (1980, 1, 1, 0, 0, 0)


def export(case: Case, name: str = "FILE") -> bytes:
    """The zip. `name`: what the file will be called, for its README."""
    check = files("pipeline.audit").joinpath("check.py").read_text(encoding="utf-8")
    incident = case.incident
    told = {key: incident[key] for key in ("incident_id", "label", "summary")}
    content = {
        "README.txt": _README.format(name=name, **told),
        "incident.html": page(case),
        "case.json": json.dumps(_plain(case), sort_keys=True, ensure_ascii=False, indent=1),
        "check.py": check,
        "__main__.py": check,
    }
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in content.items():
            entry = zipfile.ZipInfo(file, _MOMENT)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, text)
    return sink.getvalue()


def _plain(case: Case) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        json.dumps(
            {
                "format": 1,
                "demo": case.demo,
                "exported_with": versions(),
                "incident": dict(case.incident),
                "events": [asdict(one) for one in case.events],
                "evidence": [asdict(one) for one in case.evidence],
                "beside": [asdict(one) for one in case.beside],
                "configurations": [asdict(one) for one in case.configurations.values()],
                "notifications": [asdict(one) for one in case.notifications],
            },
            default=_cell,
        )
    )
    return told


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an incident's file")
