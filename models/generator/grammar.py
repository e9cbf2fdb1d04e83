"""Templates of training text: read from TOML, parsed, checked, and expanded to a text with open slots."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from models import SENTIMENTS
from models.errors import DataInvalid, LabelsUnknown
from models.generator.slots import is_slot
from models.taxonomy import taxonomy

TEMPLATES = Path(__file__).with_name("templates")
_RULE = re.compile(r"[SE]\d+")
_TOKEN = re.compile(r"\{([^{}\[\]|]*)\}|([\[\]|])|([^\[\]|{}]+)|([{}])")
_FIELDS = frozenset(("rule", "text", "label", "entities", "topic"))


@dataclass(frozen=True)
class Slot:
    """An open place, by its name without braces."""

    name: str


@dataclass(frozen=True)
class Choice:
    """Alternatives of which an expansion takes one; an empty one is `()`."""

    options: tuple[tuple["Node", ...], ...]


Node = str | Slot | Choice


@dataclass(frozen=True)
class Template:
    """One way to say one thing, and what it means by `rule` of docs/labels.md.

    `label`: the article's sentiment; `entities`: slot name, or a name as written in the text, to the sentiment towards
    it; `topic`: one of the 20 labels, or None; `name`: file and number in it, for messages.
    """

    name: str
    rule: str
    text: str
    label: str
    entities: Mapping[str, str]
    topic: str | None
    nodes: tuple[Node, ...]


def parse(text: str) -> tuple[Node, ...]:
    """Return a template's text as nodes: literals, `{slots}` and `[a|b|]`; a bar outside brackets is a bar.

    Raises DataInvalid where brackets or braces do not match, or a slot is unknown.
    """
    stack: list[list[list[Node]]] = [[[]]]
    for match in _TOKEN.finditer(text):
        slot, mark, literal, stray = match.groups()
        if stray or (slot is not None and not is_slot(slot)):
            raise DataInvalid(f"{match.group()!r} is no slot (see models/generator/__init__.py); correct {text!r}")
        if slot is not None:
            stack[-1][-1].append(Slot(slot))
        elif literal is not None:
            stack[-1][-1].append(literal)
        else:
            _mark(mark, stack, text)
    if len(stack) != 1:
        raise DataInvalid(f"a bracket stays open in {text!r}; close it")
    return tuple(stack[0][0])


def _mark(mark: str, stack: list[list[list[Node]]], text: str) -> None:
    if mark == "[":
        stack.append([[]])
    elif mark == "|" and len(stack) > 1:
        stack[-1].append([])
    elif mark == "|":
        stack[-1][-1].append("|")
    elif len(stack) > 1:
        options = stack.pop()
        stack[-1][-1].append(Choice(tuple(tuple(option) for option in options)))
    else:
        raise DataInvalid(f"a bracket is closed that was not opened in {text!r}; remove it")


def expand(nodes: tuple[Node, ...], rng: Random) -> Iterator[str | Slot]:
    """Yield literals and slots, one alternative taken of each choice."""
    for node in nodes:
        if isinstance(node, Choice):
            yield from expand(node.options[rng.randrange(len(node.options))], rng)
        else:
            yield node


def slots_of(nodes: tuple[Node, ...]) -> frozenset[str]:
    """Return the names of all slots in the nodes, those of every alternative included."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, Slot):
            found.add(node.name)
        elif isinstance(node, Choice):
            found.update(*(slots_of(option) for option in node.options))
    return frozenset(found)


def read(path: Path) -> tuple[Template, ...]:
    """Return a file's templates; raise DataInvalid or LabelsUnknown, naming the template, where one is wrong."""
    try:
        rows = tomllib.loads(path.read_text("utf-8")).get("template", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise DataInvalid(f"{path.name} is not TOML ({problem}); correct it") from problem
    return tuple(_template(f"{path.name} #{number}", row) for number, row in enumerate(rows, 1))


def _template(name: str, row: Mapping[str, Any]) -> Template:
    strange = set(row) - _FIELDS
    if strange or not {"rule", "text", "label"} <= set(row):
        raise DataInvalid(f"{name} must have rule, text, label, and may have entities and topic; it has {sorted(row)}")
    entities, topic = dict(row.get("entities", {})), row.get("topic")
    for label in (row["label"], *entities.values()):
        if label not in SENTIMENTS:
            raise LabelsUnknown(f"{name} has label {label!r}; say one of {', '.join(SENTIMENTS)}")
    if topic is not None and topic not in taxonomy().labels:
        raise LabelsUnknown(f"{name} has topic {topic!r}, which is not in models/taxonomy.toml; correct it")
    if not _RULE.fullmatch(row["rule"]):
        raise DataInvalid(f"{name} cites {row['rule']!r}; cite a rule of docs/labels.md such as S8")
    try:
        nodes = parse(row["text"])
    except DataInvalid as problem:
        raise DataInvalid(f"{name}: {problem}") from problem
    slots = slots_of(nodes)
    for entity in entities:
        if entity not in slots and (is_slot(entity) or entity not in row["text"]):
            raise DataInvalid(f"{name} asks for {entity!r}, which is not in its text; write it as it stands there")
    return Template(name, row["rule"], row["text"], row["label"], entities, topic, nodes)


@cache
def load(folder: Path = TEMPLATES) -> tuple[Template, ...]:
    """Return the templates of all files in the folder, in the order of names; raise as `read` does."""
    found = tuple(template for path in sorted(folder.glob("*.toml")) for template in read(path))
    if not found:
        raise DataInvalid(f"{folder} holds no templates; install the package again")
    return found
