"""YAML that people edit and git merges: what says two things at once is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml import Node

# What git leaves in a file: the two sides, between them what both came from, and the line that parts them.
_CONFLICT = re.compile(r"^(?:<{7,}|\|{7,}|={7,}|>{7,})(?: .*)?$", re.MULTILINE)
_DAY = "tag:yaml.org,2002:timestamp"


class YamlError(ValueError):
    """A file that cannot be read as what it says; the message says what is wrong, with the line and, if known, the
    key, and what to do, but not which file."""


def load(path: Path) -> Any:
    """The content of a YAML file, by the C loader where there is one.

    Raises:
        YamlError: no text, no YAML, conflict markers of a merge, a key that stands twice in one mapping (whether or
            not in quotes), or a date that is none.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise YamlError(f"cannot be read as text ({type(error).__name__}); restore it") from error
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise YamlError(f"line {line}: {conflict[0]!r} was left by a merge in git; resolve the conflict")
    loader = None
    try:
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


def _nodes(root: Node | None) -> Iterator[tuple[str, Node]]:
    """Every node once, in the order of the file, with its key from the top; an alias is the node that it stands for."""
    import yaml

    waiting, seen = [("", root)], set[int]()
    while waiting:
        key, node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield key, node
        if isinstance(node, yaml.MappingNode):
            waiting += [(_below(key, name.value), value) for name, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(key, each) for each in reversed(node.value)]


def _below(key: str, name: Any) -> str:
    return f"{key}.{name}" if key else str(name)


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
            f"line {node.start_mark.line + 1}: {key}: {node.value} is no day; write one such as 2027-03-01"
        ) from error
