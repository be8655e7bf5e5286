"""Cases of the language: those written down with it, and ours in the same form, reasoned out from its text.

A case of ours may also say ``position``: the offset in its text at which the error is reported.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

import pipex_core
from pipex_core.errors import PipexError
from pipex_core.expressions.values import truth
from pipex_core.jsonvalue import Json, equal

kinds = ("conditions", "templates", "transforms", "schema")


def _outcome(kind: str, document: dict[str, Any], case: dict[str, Any]) -> Json:
    scope = copy.deepcopy(case.get("scope", document.get("scope", {})))
    match kind:
        case "conditions":
            return pipex_core.evaluate(case["expression"], scope)
        case "templates":
            return pipex_core.render(case["template"], scope)
        case "transforms":
            data = case.get("data", document["data"])
            before = copy.deepcopy(data)
            result = pipex_core.transform(data, case["operations"], scope)
            assert data == before
            return result
        case _:
            problems = pipex_core.check_schema(case["data"], case["schema"])
            return sorted({pointer for pointer, _ in problems})


def _fault(kind: str, document: dict[str, Any], case: dict[str, Any]) -> str | None:
    """What is wrong with the outcome of a case, or None."""
    try:
        result = _outcome(kind, document, case)
    except PipexError as exc:
        wanted = case.get("error", "a value")
        place = getattr(exc, "position", None)
        if exc.code == wanted and case.get("position", place) == place:
            return None
        return f"wanted {wanted} at {case.get('position')}, raised {exc.code} at {place}: {exc}"
    if "error" in case:
        return f"wanted {case['error']}, got {result!r}"
    if "truth" in case and truth(result) is not case["truth"]:
        return f"wanted truth {case['truth']}, got {result!r}"
    wanted = case.get("value", case.get("pointers", result))
    return None if _same(wanted, result) else f"wanted {wanted!r}, got {result!r}"


def _same(wanted: Json, result: Json) -> bool:
    if isinstance(wanted, float) and isinstance(result, int | float):
        return result == pytest.approx(wanted, rel=1e-9)
    return equal(wanted, result)


def _faults(file: Path, kind: str) -> dict[str, str]:
    document = json.loads(file.read_text("utf-8"))
    argument = {"conditions": "expression", "templates": "template", "transforms": "operations"}
    judged = {
        case.get("id") or json.dumps([case[argument.get(kind, "schema")], case.get("data")]): (
            _fault(kind, document, case)
        )
        for case in document["cases"]
    }
    assert len(judged) > 20
    return {name: fault for name, fault in judged.items() if fault}


@pytest.mark.parametrize("kind", kinds)
def test_every_conformance_vector_holds(kind: str, shared_dir: Path) -> None:
    assert _faults(shared_dir / "conformance" / "vectors" / f"{kind}.json", kind) == {}


@pytest.mark.parametrize("kind", kinds)
def test_every_vector_of_our_own_holds(kind: str) -> None:
    assert _faults(Path(__file__).parent / "vectors" / f"{kind}.json", kind) == {}


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        ("conditions", {"expression": "1", "value": 2}),
        ("conditions", {"expression": "1", "value": True}),
        ("conditions", {"expression": "1", "error": "type_error"}),
        ("conditions", {"expression": "1", "truth": False}),
        ("templates", {"template": "{{ x }}", "value": None}),
        ("templates", {"template": "{{ x }}", "error": "type_error"}),
        ("templates", {"template": "{{ x }}", "error": "undefined_reference", "position": 9}),
    ],
)
def test_a_wrong_vector_is_a_fault(kind: str, case: dict[str, Any]) -> None:
    assert _fault(kind, {}, case) is not None
