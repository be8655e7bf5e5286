"""Results as frames and in DuckDB: the same rows as in the tables."""

from pathlib import Path

import pytest

from pipex_core import load_results, run_eval
from pipex_core.errors import ConfigError
from tests.fakes.project import write_project


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return [
        run_eval("test_suites/sums", target, ["exact_match", "rouge"]).run_id
        for target in ("good.jsonl", "poor.jsonl", "good.jsonl")
    ]


def test_views_hold_the_rows_of_all_runs_and_the_newest_scores_of_each_target(
    runs: list[str],
) -> None:
    found = load_results("results")
    with found.duckdb() as connection:
        counted = connection.sql("select run_id, count(*) n from responses group by all").fetchall()
        assert dict(counted) == dict.fromkeys(runs, 4)
        means = connection.sql(
            "select run_id, avg(score) from scores where metric = 'exact_match' and level = 'case' group by 1"
        ).fetchall()
        assert dict(means) == {runs[0]: 1.0, runs[1]: 0.25, runs[2]: 1.0}
        newest = connection.sql("select distinct run_id from latest_scores").fetchall()
        assert {row[0] for row in newest} == {runs[1], runs[2]}
        rows = connection.sql(
            "select r.run_id, r.case_id, s.score from responses r "
            "join scores s using (run_id, case_id, repeat) where s.metric = 'exact_match' order by 2"
        ).fetchall()
        joined = [(case_id, score) for run_id, case_id, score in rows if run_id == runs[1]]
    wide = found.wide(runs[1])
    assert joined == list(zip(wide["case_id"], wide["exact_match"], strict=True))


def test_a_store_without_runs_of_a_suite_has_empty_views(runs: list[str]) -> None:
    assert runs
    with load_results("results").duckdb(suite="other") as connection:
        assert connection.sql("select count(*) from calls").fetchall() == [(0,)]
        assert connection.sql("select count(*) from latest_scores").fetchall() == [(0,)]


def test_a_history_is_a_frame_of_the_runs_oldest_first(runs: list[str]) -> None:
    frame = load_results("results").history("sums", "exact_match")
    assert list(frame["run_id"]) == runs
    assert list(frame["mean"]) == [1.0, 0.25, 1.0]
    assert str(frame["started_at"].dtype).startswith("datetime64")
    assert not frame[["ruler_changed", "suite_changed"]].any(axis=None)
    assert list(load_results("results").history("sums", last=1)["run_id"]) == runs[2:]
    with pytest.raises(ConfigError, match="did you mean 'rouge'"):
        load_results("results").history("sums", "rugge")
