"""`python -m models.news ARCHIVES`: a model on the labelled headlines, with intervals."""

import argparse
import json
import sys
from pathlib import Path

from models import DEFAULT, news
from models.evaluate import evaluate
from models.scorer import load


def main() -> None:
    """Print the measures as JSON."""
    parser = argparse.ArgumentParser(description=(news.__doc__ or "").splitlines()[0])
    parser.add_argument("archives", type=Path, help="folder with guardian_headlines.csv and cnbc_headlines.csv")
    parser.add_argument("--model", default=DEFAULT, help="a shipped model, or the folder of an artifact")
    given = parser.parse_args()
    rows = news.read(given.archives)
    sys.stdout.write(json.dumps(evaluate(load(given.model), rows).to_json(), indent=2) + "\n")


if __name__ == "__main__":
    main()
