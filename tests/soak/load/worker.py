"""A worker of the load: runs the stage that a line of its input names, as `barograph watch` would, and answers."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from dataclasses import replace

from cli.stages import Warm
from pipeline.context import open_context
from pipeline.errors import BarographError
from pipeline.logs import new_run_id
from pipeline.score import Shard
from pipeline.stages import run_stage


def main() -> None:
    """`score 1/4` is the first of four parts; the model stays loaded. What fails is told, and the next line read."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--config", required=True)
    given = arguments.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    context = open_context(given.config)
    warm = Warm()
    for line in sys.stdin:
        stage, _, part = line.strip().partition(" ")
        options: dict[str, object] = {"load": warm} if stage == "score" else {}
        if part:
            number, _, of = part.partition("/")
            options["shard"] = Shard(int(number) - 1, int(of))
        spent = _cpu()
        answer: dict[str, object] = {}
        try:
            run_stage(stage, replace(context, run_id=new_run_id()), **options)
        except BarographError as error:
            answer["failed"] = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps(answer | {"cpu": _cpu() - spent}) + "\n")
        sys.stdout.flush()


def _cpu() -> float:
    """CPU seconds of this process and of the parsers that it ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
