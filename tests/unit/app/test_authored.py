"""Metrics that users write: registered, beside a suite, or named by their path."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pipex_core
from pipex_core.app import authored, wiring
from pipex_core.app.authored import metric, register_metric
from pipex_core.app.linting import lint_suite
from pipex_core.errors import ConfigError, SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Scored
from pipex_core.metrics.entries import Entry, resolve_entries


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = dict(authored._registered)
    yield
    authored._registered.clear()
    authored._registered.update(before)


def half(predicted: str, expected: str) -> float:
    """Half of everything."""
    return 0.5 * len(predicted + expected) / len(predicted + expected)


def entry_of(raw: Json, **options: Any) -> Entry:
    (entry,) = resolve_entries([raw], wiring.metrics(**options))
    return entry


def refused(call: Callable[[], object]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        call()
    return caught.value


def test_a_decorated_function_is_a_metric_and_stays_a_function() -> None:
    @metric(name="tone", default_threshold=0.25, depends=["numpy"])
    def tone(predicted: str, expected: str, factor: float = 1.0) -> tuple[float, dict[str, Json]]:
        """Whether the tone is friendly."""
        return factor * half(predicted, expected), {"seen": predicted}

    assert tone("a", "b") == (0.5, {"seen": "a"})
    assert pipex_core.score("tone", "a", "b") == Scored(value=0.5, details={"seen": "a"})
    assert pipex_core.score("custom:tone", "a", "b", factor=0.5) == Scored(
        value=0.25, details={"seen": "a"}
    )
    entry = entry_of({"type": "tone", "threshold": 0.5})
    assert (entry.name, entry.type, entry.threshold) == ("custom:tone", "custom:tone", 0.5)
    assert entry_of("custom:tone").threshold == 0.25
    assert "custom:tone" in list(wiring.metrics())


def test_the_name_of_the_function_serves_as_name() -> None:
    metric()(half)
    assert entry_of("half").info.summary == "Half of everything"


def test_a_name_is_taken_once_and_replaced_only_on_purpose() -> None:
    register_metric("mine", half)
    assert refused(lambda: register_metric("mine", half)).code == "duplicate_metric"
    register_metric("mine", lambda p, e: float(p == e), replace=True)
    assert pipex_core.score("mine", "a", "a") == Scored(value=1.0)


def test_a_built_in_metric_is_never_overridden() -> None:
    register_metric("bleu", half)
    error = refused(wiring.metrics)
    assert (error.code, "bleu" in error.message) == ("duplicate_metric", True)


def test_an_alias_is_a_name_too() -> None:
    register_metric("f1", half)
    assert refused(wiring.metrics).code == "duplicate_metric"


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("With Blanks", {}),
        ("mine", {"direction": "up"}),
        ("mine", {"nonsense": 1}),
    ],
)
def test_what_cannot_be_a_metric_is_refused(name: str, contract: dict[str, Any]) -> None:
    assert refused(lambda: register_metric(name, half, **contract)).code == "bad_metric"


suite_file = """
from pipex_core import metric

@metric(name="shout")
def shout(predicted):
    return predicted.isupper()
"""


def test_a_file_beside_a_suite_is_imported_only_when_code_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text(suite_file, encoding="utf-8")
    with pytest.raises(SpecError, match="unknown metric"):
        entry_of("custom:shout", beside=tmp_path)
    entry = entry_of("custom:shout", beside=tmp_path, allow_code=True)
    assert entry.info.needs == {"output"}
    assert "custom:shout" not in wiring.metrics()


def test_two_suites_may_both_have_a_metric_of_one_name(tmp_path: Path) -> None:
    found = []
    for name, word in (("one", "isupper"), ("two", "islower")):
        folder = tmp_path / name
        folder.mkdir()
        text = suite_file.replace("isupper", word)
        (folder / "metrics.py").write_text(text, encoding="utf-8")
        found.append(entry_of("shout", beside=folder, allow_code=True))
    assert found[0].fingerprint != found[1].fingerprint


def test_an_edit_of_the_file_is_another_ruler_and_so_is_one_of_what_it_depends_on(
    tmp_path: Path,
) -> None:
    file = tmp_path / "metrics.py"
    words = tmp_path / "words.txt"
    text = suite_file.replace('name="shout"', 'name="shout", depends=["words.txt", "numpy", "x"]')

    def fingerprint() -> str:
        return entry_of("shout", beside=tmp_path, allow_code=True).fingerprint

    words.write_text("a", encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    first = fingerprint()
    assert fingerprint() == first
    words.write_text("b", encoding="utf-8")
    second = fingerprint()
    file.write_text(f"{text}\n# edited\n", encoding="utf-8")
    assert len({first, second, fingerprint()}) == 3


@pytest.mark.parametrize(
    "broken", ["import nothing_like_this", "1 / 0", "def f(", "raise KeyError"]
)
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, broken: str) -> None:
    (tmp_path / "metrics.py").write_text(broken, encoding="utf-8")
    error = refused(lambda: wiring.metrics(tmp_path, allow_code=True))
    assert error.code == "code_failed"
    assert "metrics.py" in error.message


def test_a_file_may_not_take_a_name_of_the_process(tmp_path: Path) -> None:
    register_metric("shout", half)
    (tmp_path / "metrics.py").write_text(suite_file, encoding="utf-8")
    assert refused(lambda: wiring.metrics(tmp_path, allow_code=True)).code == "duplicate_metric"


def test_a_folder_without_such_a_file_adds_nothing(tmp_path: Path) -> None:
    assert list(wiring.metrics(tmp_path, allow_code=True)) == list(wiring.metrics())


here = "python:tests.unit.app.test_authored:half"


def test_a_function_is_named_by_its_path_when_code_is_allowed() -> None:
    entry = entry_of(here, allow_code=True)
    assert (entry.name, entry.type) == (here, here)
    assert entry_of({"type": here, "name": "short"}, allow_code=True).name == "short"
    error = refused(lambda: entry_of(here))
    assert error.code == "code_not_allowed"
    assert "--allow-code" in error.next_step


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("python:half", "bad_metric"),
        ("python:json:__doc__", "bad_metric"),
        ("python:no_such_module:f", "code_failed"),
        ("python:json:no_such_function", "code_failed"),
    ],
)
def test_a_path_that_leads_to_no_function_is_refused(name: str, code: str) -> None:
    assert refused(lambda: entry_of(name, allow_code=True)).code == code


def test_a_function_without_a_file_is_told_from_another_by_its_code() -> None:
    def typed(body: str) -> Callable[..., Any]:
        names: dict[str, Any] = {}
        exec(f"def typed(predicted):\n    return {body}", names)  # noqa: S102 - as a console does
        found: Callable[..., Any] = names["typed"]
        return found

    found = []
    for body in ("1.0", "0.5", "0.5"):
        register_metric("typed", typed(body), replace=True)
        found.append(entry_of("typed").fingerprint)
    assert found[0] != found[1]
    assert found[1] == found[2]


def test_the_hint_says_where_a_metric_of_ones_own_comes_from() -> None:
    with pytest.raises(SpecError, match="--allow-code"):
        entry_of("custom:nothing")


def test_looking_at_a_suite_runs_no_code_and_misses_none(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(
        "id: s\ndefaults:\n  metrics: [exact_match, custom:shout, {type: 'python:x:y'}, custom:mine]\n",
        encoding="utf-8",
    )
    (tmp_path / "cases.jsonl").write_text(
        '{"id":"a","input":"q","expected_output":"x"}\n', encoding="utf-8"
    )
    (tmp_path / "metrics.py").write_text("raise SystemExit", encoding="utf-8")
    register_metric("mine", half)
    assert lint_suite(str(tmp_path)) == []
