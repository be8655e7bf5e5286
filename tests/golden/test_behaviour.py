"""Small pipelines in ``behaviour/*.yaml`` and the part of the run that each of them must give.

The documents have the form of the conformance material: ``pipeline``, ``files`` beside it, ``workspace``,
``inputs``, ``mock``, and ``expect`` with ``exit_code``, a part of ``result``, ``problem_codes``, files and
``absent`` paths. In a part, maps may have more keys and lists match item by item; ``$contains``,
``$match``, ``$any`` and ``$absent`` stand for themselves.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance import Command

folder = Path(__file__).parent / "behaviour"
cases = {
    f"{file.stem}-{case['name']}": case
    for file in sorted(folder.glob("*.yaml"))
    for case in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    if case is not None
}


def differences(want: Any, got: Any, place: str = "") -> list[str]:
    """Where ``got`` is not what is wanted of it."""
    if isinstance(want, dict) and next(iter(want), "").startswith("$"):
        return _marked(want, got, place)
    if isinstance(want, dict):
        if not isinstance(got, dict):
            return [f"{place}: a map is wanted, got {got!r}"]
        return [d for key, one in want.items() for d in _at(key, one, got, place)]
    if isinstance(want, list):
        if not isinstance(got, list) or len(got) != len(want):
            return [f"{place}: {len(want)} items are wanted, got {got!r}"]
        pairs = enumerate(zip(want, got, strict=True))
        return [d for i, (w, g) in pairs for d in differences(w, g, f"{place}[{i}]")]
    is_same = want == got and isinstance(want, bool) == isinstance(got, bool)
    return [] if is_same else [f"{place}: {want!r} is wanted, got {got!r}"]


def _at(key: str, want: Any, got: dict[str, Any], place: str) -> list[str]:
    if want == {"$absent": True}:
        return [f"{place}.{key} is there"] if key in got else []
    return (
        differences(want, got[key], f"{place}.{key}")
        if key in got
        else [f"{place}.{key} is missing"]
    )


def _marked(want: dict[str, Any], got: Any, place: str) -> list[str]:
    ((mark, text),) = want.items()
    if mark == "$contains":
        return [] if text in str(got) else [f"{place}: {got!r} lacks {text!r}"]
    if mark == "$match":
        return [] if re.search(text, str(got)) else [f"{place}: {got!r} is no {text!r}"]
    assert mark == "$any"
    return []


def put(base: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


@pytest.mark.parametrize("name", cases)
def test_a_small_pipeline_gives_the_run_that_is_written_beside_it(
    name: str, tmp_path: Path
) -> None:
    case, expect = cases[name], cases[name]["expect"]
    workspace, output = tmp_path / "ws" / "in", tmp_path / "out" / "in"
    for made in (workspace, output, tmp_path / "p"):
        made.mkdir(parents=True)
    put(workspace, case.get("workspace", {}))
    put(tmp_path / "p", case.get("files", {}))
    file = tmp_path / "p" / "pipeline.yaml"
    file.write_text(yaml.safe_dump(case["pipeline"], allow_unicode=True, sort_keys=False))
    words = ["run", str(file), "--provider", "mock", "--json", "--workspace", str(workspace)]
    words += ["--output-dir", str(output), "--checkpoint-dir", str(tmp_path / "ck")]
    if "inputs" in case:
        (tmp_path / "inputs.json").write_text(json.dumps(case["inputs"]))
        words += ["--inputs", str(tmp_path / "inputs.json")]
    if "mock" in case:
        (tmp_path / "mock.yaml").write_text(yaml.safe_dump(case["mock"], allow_unicode=True))
        words += ["--mock-responses", str(tmp_path / "mock.yaml")]
    code, result, noted = Command().call([*words, *case.get("args", [])], str(tmp_path / "p"))
    assert code == expect.get("exit_code", 0), (result and result.get("error"), noted)
    assert differences(expect.get("result", {}), result) == []
    if "problem_codes" in expect:
        assert {*expect["problem_codes"]} <= {problem["code"] for problem in result["problems"]}
    for base, files in (
        (output, expect.get("output_files", {})),
        (workspace, expect.get("workspace_files", {})),
    ):
        found = {path: (base / path).read_bytes().decode() for path in files}
        assert differences(files, found) == []
    assert [path for path in expect.get("absent", []) if (workspace / path).exists()] == []


def test_a_run_that_differs_is_seen() -> None:
    want = {"a": [1, {"$contains": "x"}], "b": {"$absent": True}, "c": True}
    assert differences(want, {"a": [1, "axb"], "c": True, "d": 2}) == []
    assert differences(want, {"a": [1, "ab"], "b": 1, "c": 1}) == [
        ".a[1]: 'ab' lacks 'x'",
        ".b is there",
        ".c: True is wanted, got 1",
    ]
