"""A verdict as JUnit XML, as CI systems read it: a test case for each task and each mean."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pytest_mieb.report.view import View

# The property that says of a regression that it is accepted.
ACCEPTED = "mieb_accepted"
# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(view: View) -> str:
    """The document on a comparison. A regression is a failure, and a task without the verdict that it should have is an
    error; a task that needs none is skipped, and an accepted regression passes with a note.
    """
    assert view.old is not None
    suite = Element("testsuite", name=f"pytest-mieb compare {_legal(view.old.name)} {_legal(view.new.name)}")
    for task in view.tasks:
        case = SubElement(suite, "testcase", classname=f"mieb.{task.category}", name=_legal(task.name))
        if task.compared:
            if task.failure:
                languages = [each.failure for each in task.subsets if each.failure]
                _add(case, "failure", "\n\n".join([task.failure, *languages]))
            _note(case, task.acceptance_note)
        elif task.status == "incomplete":
            _add(case, "error", f"{task.name}: {task.reason}")
        else:
            _add(case, "skipped", task.reason)
    for mean in view.judged:
        case = SubElement(suite, "testcase", classname="mieb.means", name=_legal(mean.name))
        if mean.failure:
            _add(case, "error" if mean.status == "incomplete" else "failure", mean.failure)
        _note(case, mean.acceptance_note)
    suite.set("tests", str(len(suite)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{kind}"))))
    document = Element("testsuites")
    document.append(suite)
    indent(document, " ")
    return tostring(document, encoding="unicode", xml_declaration=True) + "\n"


def _note(case: Element, sentence: str | None) -> None:
    """What does not fail, but is to be seen: as the property that a run writes, and as output, which more CI show."""
    if sentence:
        case.insert(0, properties := Element("properties"))
        SubElement(properties, "property", name=ACCEPTED, value=_legal(sentence))
        SubElement(case, "system-out").text = _legal(sentence)


def _add(case: Element, kind: str, sentence: str) -> None:
    legal = _legal(sentence)
    SubElement(case, kind, message=legal.partition("\n")[0]).text = legal


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
