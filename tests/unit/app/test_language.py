"""The facade's calls of the language: plain maps, the machine's clock, no heavy import."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

import pipex_core


def test_the_calls_of_the_python_contract() -> None:
    scope = {"steps": {"a": {"score": 9}}, "vars": {"n": 2}, "local": 5}
    assert pipex_core.evaluate("a.score > n and local == 5", scope) is True
    assert pipex_core.evaluate(None, {}) is True
    assert pipex_core.render({"k": "{{ a.score }}"}, scope) == {"k": 9}
    operations = [{"operation": "filter", "condition": "@ > n"}]
    assert pipex_core.transform([1, 2, 3], operations, scope) == [3]
    assert pipex_core.check_schema([], {"type": "object"})[0][0] == ""


def test_the_clock_is_the_machines() -> None:
    today = datetime.fromtimestamp(pipex_core.evaluate("now()", {}), UTC).date().isoformat()
    assert pipex_core.render("{{ date() }}", {}) >= today
    assert pipex_core.transform([1], [{"operation": "map", "expression": "now() > 0"}], {}) == [
        True
    ]


def test_errors_are_of_one_family() -> None:
    with pytest.raises(pipex_core.PipexError) as caught:
        pipex_core.render("a {{ b", {})
    assert isinstance(caught.value, pipex_core.ExpressionError)
    assert (caught.value.code, caught.value.position) == ("expression_syntax", 2)
    with pytest.raises(pipex_core.TransformError):
        pipex_core.transform(5, [{"operation": "unique"}], {})
    with pytest.raises(pipex_core.SpecError) as refused:
        pipex_core.check_schema(1, {"type": "text"})
    assert isinstance(refused.value.problems[0], pipex_core.Problem)


def test_every_name_of_the_facade_exists_and_is_listed() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pipex_core.nothing
    assert {"evaluate", "render", "transform", "check_schema"} <= set(dir(pipex_core))


def test_importing_the_facade_imports_nothing_else() -> None:
    code = "import sys, pipex_core; print([m for m in sys.modules if m.startswith('pipex_core.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
