"""The cases of the conformance vectors, whose expected values were written down with the language."""

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
        return None if exc.code == wanted else f"wanted {wanted}, raised {exc.code}: {exc}"
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


@pytest.mark.parametrize("kind", kinds)
def test_every_conformance_vector_holds(kind: str, shared_dir: Path) -> None:
    text = (shared_dir / "conformance" / "vectors" / f"{kind}.json").read_text("utf-8")
    document = json.loads(text)
    faults = {case["id"]: _fault(kind, document, case) for case in document["cases"]}
    assert len(faults) > 20
    assert {name: fault for name, fault in faults.items() if fault} == {}
