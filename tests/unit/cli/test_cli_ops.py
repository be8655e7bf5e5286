"""``pipex doctor`` and ``pipex metric`` as a person types them."""

import re
from pathlib import Path

import pytest

from tests.fakes.shell import invoke


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def states(*words: str) -> dict[str, str]:
    return {
        one["name"]: one["state"] for one in invoke("doctor", "--json", *words).document["checks"]
    }


def test_a_fresh_machine_is_fine_and_nothing_is_left_behind(folder: Path) -> None:
    done = invoke("doctor")
    assert done.code == 0
    assert "ok       anthropic: no key; set ANTHROPIC_API_KEY for --provider live" in done.out
    assert re.search(r"ok       results_dir: results \([\d,]+ MB free\)", done.out)
    assert list(folder.iterdir()) == []


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "very-secret")
    done = invoke("doctor", "--settings")
    assert "ok       gemini: the key is set" in done.out
    assert "gemini_key = ****  (GEMINI_API_KEY)" in done.out
    assert "max_retries = 3  (built-in)" in done.out
    assert "very-secret" not in done.out + invoke("doctor", "--settings", "--json").out


def test_a_folder_that_cannot_be_written_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "taken").write_text("")
    monkeypatch.setenv("PIPEX_RESULTS_DIR", "taken")
    done = invoke("doctor")
    assert done.code == 2
    assert "error    results_dir: nothing can be written in taken: it is a file" in done.out


def test_bad_prices_and_unknown_settings_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEX_PRICES", "none.yaml")
    monkeypatch.setenv("PIPEX_PROVIDR", "mock")
    found = states()
    assert (found["prices"], found["settings"], found["metrics"]) == ("error", "warning", "ok")


def test_an_old_price_table_is_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipex_core.app.wiring import shipped_prices, today

    assert states()["prices"] == ("warning" if shipped_prices().is_stale(today()) else "ok")
    del folder, monkeypatch


def test_metrics_are_listed_with_what_they_need() -> None:
    lines = invoke("metric", "list").out.splitlines()
    assert any(line.startswith("exact_match ") for line in lines)
    named = invoke("metric", "list", "--needs", "usage", "--json").document["metrics"]
    assert sorted(one["name"] for one in named) == ["cost", "latency", "tokens"]
    assert {"range", "direction", "default_threshold", "options"} <= set(named[0])


def test_a_metric_is_shown_with_its_options_and_other_names() -> None:
    lines = invoke("metric", "show", "exact").out.splitlines()
    assert lines[0].startswith("exact_match (version ")
    assert lines[1].startswith("also called ")
    assert any(line.startswith("range 0..1, higher is better") for line in lines)
    assert "passes at 1 unless an entry says otherwise" in lines
    assert any(line.startswith("  ignore_case: ") for line in lines)
    rouge = invoke("metric", "show", "rouge").out
    assert "rouge_type:" in rouge
    infinite = invoke("metric", "show", "latency", "--json").document["metrics"][0]
    assert infinite["range"] == [0.0, None]
    assert "0..inf" in invoke("metric", "show", "latency").out
