"""The results as a table, as JSON and as JUnit XML.

JSON, schema "coderack.smoke/1" (fields are added, never renamed or removed, within 1):

    schema, started (UTC, ISO 8601), base_url, model, claude_model,
    ok (no check failed), passed, failed, skipped, seconds,
    checks: a list, in the order of the run, of
        id, title, verdict ("pass", "fail" or "skip"), seconds,
        evidence (pass), reason (skip), failure (fail), null where it does not apply;
        failure: expected, seen, hint ("" if none),
            layer ("engine", "hold", "gateway", "edge"; "unknown" if the known layers do not
                tell; "none" if the same question passed when it was asked again),
            suspects (all layers that may be at fault, from the inside out),
            asked: a list of layer, verdict, said,
            next (what to run next)
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any, TextIO

from coderack.smoke.core import Result

SCHEMA = "coderack.smoke/1"

_COLOURS = {"pass": "32", "fail": "31", "skip": "33"}


class Table:
    """Prints each result as it comes, and the summary."""

    def __init__(self, out: TextIO, colour: bool, width: int) -> None:
        """`width`: of the longest id, so that the columns stand."""
        self._out = out
        self._colour = colour
        self._width = width

    def row(self, result: Result) -> None:
        """Print one result, with the details of a failure below it."""
        word = result.verdict.upper()
        if self._colour:
            word = f"\x1b[{_COLOURS[result.verdict]}m{word}\x1b[0m"
        text = result.evidence or result.reason or result.title
        name = f"{result.id:<{self._width}}"
        print(f"{word}  {name}  {result.seconds:6.2f} s  {text}", file=self._out)
        for name, value in _details(result):
            print(f"        {name:<9} {value}", file=self._out)
        self._out.flush()

    def summary(self, results: list[Result], seconds: float) -> None:
        """Print the last line."""
        passed, failed, skipped = counts(results)
        line = f"{passed} passed, {failed} failed, {skipped} skipped in {seconds:.1f} s"
        print(line, file=self._out)


def counts(results: list[Result]) -> tuple[int, int, int]:
    """Return how many passed, failed, were skipped."""
    verdicts = [result.verdict for result in results]
    return verdicts.count("pass"), verdicts.count("fail"), verdicts.count("skip")


def _details(result: Result) -> list[tuple[str, str]]:
    if result.verdict != "fail":
        return []
    layer = result.layer
    if layer == "none":
        layer = "none found: the same question passed when it was asked again"
    elif len(result.suspects) > 1:
        layer = f"{layer} (one of {', '.join(result.suspects)})"
    details = [("expected", result.expected), ("seen", result.seen), ("layer", layer)]
    details += [("asked", f"{one.layer}: {one.verdict}: {one.said}") for one in result.asked[1:]]
    details += [("hint", result.hint)] if result.hint else []
    return [*details, ("next", result.next)]


def as_json(results: list[Result], about: dict[str, Any]) -> str:
    """Render the documented schema; `about` is what the run was about, started to seconds."""
    passed, failed, skipped = counts(results)
    document = {
        "schema": SCHEMA,
        **about,
        "ok": not failed,
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "checks": [_json(result) for result in results],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _json(result: Result) -> dict[str, Any]:
    failure = None
    if result.verdict == "fail":
        failure = {
            "expected": result.expected,
            "seen": result.seen,
            "hint": result.hint,
            "layer": result.layer,
            "suspects": list(result.suspects),
            "asked": [vars(one) for one in result.asked],
            "next": result.next,
        }
    return {
        "id": result.id,
        "title": result.title,
        "verdict": result.verdict,
        "seconds": result.seconds,
        "evidence": result.evidence or None,
        "reason": result.reason or None,
        "failure": failure,
    }


def as_junit(results: list[Result], seconds: float) -> str:
    """Render one testsuite."""
    _, failed, skipped = counts(results)
    suite = ET.Element(
        "testsuite",
        name="coderack.smoke",
        tests=str(len(results)),
        failures=str(failed),
        errors="0",
        skipped=str(skipped),
        time=f"{seconds:.3f}",
    )
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname="coderack.smoke",
            name=result.id,
            time=f"{result.seconds:.3f}",
        )
        if result.verdict == "fail":
            failure = ET.SubElement(case, "failure", message=_xml(f"{result.layer}: {result.seen}"))
            failure.text = _xml("\n".join(f"{name}: {value}" for name, value in _details(result)))
        elif result.verdict == "skip":
            ET.SubElement(case, "skipped", message=_xml(result.reason))
        else:
            ET.SubElement(case, "system-out").text = _xml(result.evidence)
    return ET.tostring(suite, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    # A model may say anything, XML may not hold control characters at all.
    return "".join(c if c in "\n\t" or " " <= c <= "\ud7ff" or c > "\udfff" else "?" for c in text)
