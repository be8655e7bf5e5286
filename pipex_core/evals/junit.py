"""A report as JUnit XML: a test suite for the cases, and one for the rules of the gate.

The order of elements and the attributes that must be there are those of the Ant schema, which the
readers of continuous-integration servers accept in common.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from xml.etree import ElementTree as ET

from pipex_core.evals.findings import Findings
from pipex_core.evals.rendering import number
from pipex_core.evals.verdict import RuleResult
from pipex_core.jsonvalue import Json

most_text: Final = 4_000
_illegal: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Row = Mapping[str, Json]
_Judged = bool | Literal["quarantined"] | None


def report_junit(found: Findings) -> str:
    """The document: failure is a failed case, error is no answer, skipped is what was not decided."""
    root = ET.Element("testsuites")
    suite, target = found.manifest["suite"]["id"], found.manifest["target"]["target_id"]
    arm, scores = found.judgement.arm, _failed_scores(found)
    judged = {case.id: passed for case, passed in zip(arm.cases, arm.passed, strict=True)}
    cases = [
        _case(f"{suite}.{target}", rows, judged.get(name, "quarantined"), scores.get(name, ()))
        for name, rows in _by_case(found).items()
    ]
    _suite(root, suite, cases, found)
    verdict = found.judgement.verdict
    if verdict is not None:
        _suite(root, "gate", [_rule(f"{suite}.gate", rule) for rule in verdict.rules], found)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, name: str, cases: Sequence[ET.Element], found: Findings) -> None:
    counts = {
        word: str(sum(one.find(kind) is not None for one in cases))
        for word, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    finished = datetime.fromisoformat(found.manifest["run"]["finished_at"])
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _legal(name),
            "package": "pipex",
            "id": str(len(root)),
            "timestamp": finished.replace(tzinfo=None).isoformat(timespec="seconds"),
            "hostname": "localhost",
            "tests": str(len(cases)),
            **counts,
            "time": f"{sum(float(one.get('time', '0')) for one in cases):.3f}",
        },
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in _facts(found).items():
        ET.SubElement(properties, "property", name=key, value=_legal(value))
    suite.extend(cases)
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")


def _facts(found: Findings) -> dict[str, str]:
    run, manifest = found.manifest["run"], found.manifest
    return {
        "run_id": manifest["run_id"],
        "suite_digest": run["suite_digest"],
        "target_digest": run["target_digest"],
        "plan_digest": run["plan_digest"],
        "row_digest": manifest["row_digest"],
        "model_id": manifest["target"]["model_id"],
        "cost_usd": f"{found.judgement.summary.totals.cost_nanousd / 1e9:.9f}",
    }


def _by_case(found: Findings) -> dict[str, list[Row]]:
    columns = ("case_id", "class", "status", "error_code", "error", "latency_ms")
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in found.responses.select((*columns, "passed", "output")).to_pylist():
        rows[row["case_id"]].append(row)
    return rows


def _failed_scores(found: Findings) -> dict[str, list[Row]]:
    """The scores of each case that missed their threshold."""
    columns = ("case_id", "repeat", "metric", "submetric", "level", "score", "passed", "threshold")
    scores: dict[str, list[Row]] = defaultdict(list)
    for row in found.scores.select((*columns, "fallback_of")).to_pylist():
        is_own = row["submetric"] is None and row["fallback_of"] is None
        if row["level"] == "case" and is_own and row["passed"] is False:
            scores[row["case_id"]].append(row)
    return scores


def _case(
    classname: str, rows: Sequence[Row], verdict: _Judged, scores: Sequence[Row]
) -> ET.Element:
    """A case as the run counts it, its repeats together; a failure of the target is an error."""
    seconds = sum(row["latency_ms"] or 0.0 for row in rows) / 1000
    case = _test(classname, rows[0]["case_id"], seconds)
    broken = next((row for row in rows if row["class"] != "observed"), None)
    match verdict:
        case "quarantined":
            ET.SubElement(case, "skipped", message="quarantined")
        case True:
            pass
        case False | None if broken is not None:
            code = _legal(broken["error_code"] or broken["status"])
            error = ET.SubElement(case, "error", type=code, message=code)
            error.text = _legal(broken["error"] or "")
        case False:
            told = "; ".join(
                f"{one['metric']} {number(one['score'])}, wanted {number(one['threshold'])}"
                for one in scores
            )
            kind = _legal(scores[0]["metric"]) if scores else "failed"
            failure = ET.SubElement(case, "failure", type=kind, message=_legal(told))
            wrong = next((row for row in rows if row["passed"] is False), rows[0])
            failure.text = _legal(wrong["output"] or "")
        case _:
            ET.SubElement(case, "skipped", message="undetermined")
    return case


def _rule(classname: str, rule: RuleResult) -> ET.Element:
    """A rule of the gate; an advisory one never fails the suite, an open one is skipped."""
    slice_ = f" [{rule.slice}]" if rule.slice else ""
    test = _test(classname, f"{rule.row.rule_id}{slice_}", 0.0)
    told = _legal(f"{rule.outcome}{f' ({rule.reason})' if rule.reason else ''}")
    match rule.outcome:
        case "PASS":
            pass
        case "FAIL" if rule.row.tier != "advisory":
            ET.SubElement(test, "failure", type=_legal(rule.row.kind or "rule"), message=told)
        case "INCOMPLETE" if rule.row.tier != "advisory":
            ET.SubElement(test, "error", type="INCOMPLETE", message=told)
        case _:
            ET.SubElement(test, "skipped", message=told)
    return test


def _test(classname: str, name: str, seconds: float) -> ET.Element:
    facts = {"classname": _legal(classname), "name": _legal(name), "time": f"{seconds:.3f}"}
    return ET.Element("testcase", facts)


def _legal(text: str) -> str:
    """Text that XML may hold, cut to 4,000 characters with a visible mark."""
    shown = _illegal.sub("\ufffd", text)
    return shown if len(shown) <= most_text else f"{shown[: most_text - 2]} …"
