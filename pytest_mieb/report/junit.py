"""A verdict as JUnit XML, as CI systems read it: a test case for each task and each mean."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pytest_mieb.gate.stored import StoredDecision
from pytest_mieb.gate.verdict import acceptance_of

# The property that says of a regression that it is accepted.
ACCEPTED = "mieb_accepted"
# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(found: StoredDecision) -> str:
    """The document. A regression is a failure, no verdict where there should be one an error; what needs none is
    skipped, and an accepted regression passes with a note."""
    decision = found.decision
    suite = Element("testsuite", name=f"pytest-mieb compare {_legal(found.old.name)} {_legal(found.new.name)}")
    for name in found.selected:
        case = SubElement(suite, "testcase", classname=f"mieb.{found.tasks[name].category}", name=_legal(name))
        if name in decision.incomplete:
            _add(case, "error", f"{name}: {decision.incomplete[name]}")
        elif name in decision.verdicts:
            verdict = decision.verdicts[name]
            if verdict.failure:
                languages = [each.failure for each in verdict.subsets.values() if each.failure]
                _add(case, "failure", "\n\n".join([verdict.failure, *languages]))
            _note(case, acceptance_of(verdict))
        else:
            _add(case, "skipped", found.unusable[name])
    for mean in decision.means:
        case = SubElement(suite, "testcase", classname="mieb.means", name=_legal(mean.name))
        if mean.failure:
            _add(case, "error" if mean.status == "incomplete" else "failure", mean.failure)
        _note(case, mean.without)
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
