"""Writes docs/webhook.schema.json anew from the document's model (python -m tests.support.schema)."""

from __future__ import annotations

import json

from pipeline.notify.document import Document
from tests.conftest import ROOT


def main() -> None:
    """Write the schema."""
    text = json.dumps(Document.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
    (ROOT / "docs" / "webhook.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
