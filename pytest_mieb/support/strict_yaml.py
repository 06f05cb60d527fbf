"""YAML that people edit and git merges: what says two things at once is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mieb.support.wording import key as key_of
from pytest_mieb.support.wording import shown

if TYPE_CHECKING:
    from yaml import Node

# What git leaves in a file: the two sides, between them what both came from, and the line that parts them.
_CONFLICT = re.compile(r"^(?:<{7,}|\|{7,}|={7,}|>{7,})(?: .*)?$", re.MULTILINE)
_DAY = "tag:yaml.org,2002:timestamp"
_DEEPEST = 32


class YamlError(ValueError):
    """A file that cannot be read as what it says; the message says what is wrong, with the line and, if known, the
    key, and what to do, but not which file."""


def load(path: Path) -> Any:
    """The content of a YAML file, by the C loader where there is one.

    Raises:
        YamlError: no text, no YAML, conflict markers of a merge, a key that stands twice in one mapping (whether or
            not in quotes), an alias, lists or mappings more than 32 deep in each other, or a date that is none.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise YamlError(f"cannot be read as text ({type(error).__name__}); restore it") from error
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise YamlError(f"line {line}: {shown(conflict[0])} was left by a merge in git; resolve the conflict")
    loader = None
    try:
        _refuse_aliases_and_depth(text)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        root = loader.get_single_node()
        for key, node in _nodes(root):
            if isinstance(node, yaml.MappingNode):
                _refuse_repeated(key, node)
            elif node.tag == _DAY:
                _refuse_no_day(loader, key, node)
        return loader.construct_document(root) if root is not None else None
    except YamlError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:  # the last three: odd tags
        where = getattr(error, "problem_mark", None)
        raise YamlError(f"not valid YAML{f' at line {where.line + 1}' if where else ''}; correct it") from error
    finally:
        if loader is not None:
            loader.dispose()


def _refuse_aliases_and_depth(text: str) -> None:
    """Before anything is built: what a few aliases of aliases stand for fills the memory as soon as it is printed."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"line {line}: *{key_of(event.anchor)} is an alias; write out what it stands for")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise YamlError(f"line {line}: lists or mappings lie more than {_DEEPEST} deep in each other; flatten them")


def _nodes(root: Node | None) -> Iterator[tuple[str, Node]]:
    """Every node, in the order of the file, with its key from the top."""
    import yaml

    waiting = [("", root)]
    while waiting:
        key, node = waiting.pop()
        if node is None:
            continue
        yield key, node
        if isinstance(node, yaml.MappingNode):
            waiting += [(_below(key, name.value), value) for name, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(key, each) for each in reversed(node.value)]


def _below(key: str, name: Any) -> str:
    return f"{key}.{key_of(name)}" if key else key_of(name)


def _refuse_repeated(key: str, mapping: Node) -> None:
    names = [name.value for name, _ in mapping.value if isinstance(name.value, str)]
    if len(set(names)) == len(names):
        return
    first: dict[str, int] = {}
    for node, _ in mapping.value:
        if not isinstance(node.value, str):
            continue
        line = node.start_mark.line + 1
        if node.value in first:
            raise YamlError(
                f"line {line}: {_below(key, node.value)} stands there twice, first in line {first[node.value]}; "
                "keep one of the two"
            )
        first[node.value] = line


def _refuse_no_day(loader: Any, key: str, node: Node) -> None:
    try:
        loader.construct_object(node)
    except ValueError as error:
        raise YamlError(
            f"line {node.start_mark.line + 1}: {key}: {shown(node.value)[1:-1]} is no day; write one such as 2027-03-01"
        ) from error
