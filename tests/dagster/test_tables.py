"""The tables of suites, summaries and leaderboards: nothing is lost on the way through them."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from pipex_core.errors import ConfigError
from pipex_core.evals.arms import MetricFacts
from pipex_core.evals.suite import Case, Suite, suite_digest
from pipex_core.evals.summary import MetricSummary, Summary
from pipex_core.evals.table import to_parquet
from pipex_core.stats.estimates import Estimate, Interval, Scale
from pipex_dagster.tables import (
    Standing,
    cases_table,
    end_in,
    leaderboard_table,
    suite_of,
    summary_schema,
    summary_table,
    with_end,
)

suite = Suite(
    id="s",
    cases=[
        Case(id="b", input="two\u2028lines\nof text", expected_output="x", weight=2.0),
        Case(id="a", input={"question": "ä?"}, expected_output=["x", "y"], tags=("easy",)),
    ],
    location="test_suites/s",
)


def test_a_suite_comes_back_from_its_table_as_it_was() -> None:
    table = cases_table(suite)
    assert table["case_id"].to_pylist() == ["a", "b"]
    found = suite_of(table, suite)
    assert {case.id: case for case in found.cases} == {case.id: case for case in suite.cases}
    assert suite_digest(found) == suite_digest(suite)


def test_tags_and_weights_are_those_of_today() -> None:
    table = cases_table(suite)
    today = replace(suite, cases=[replace(case, tags=("new",)) for case in suite.cases])
    assert all(case.tags == ("new",) for case in suite_of(table, today).cases)


def test_a_question_that_was_edited_is_still_the_one_that_was_materialized() -> None:
    table = cases_table(suite)
    edited = [replace(case, input="other", tags=("new",)) for case in suite.cases]
    found = suite_of(table, replace(suite, cases=edited, gate={"rules": []}))
    assert suite_digest(found) == suite_digest(suite)
    assert found.gate == {"rules": []}
    assert found.cases[0].tags == ("easy",)


def test_a_case_that_was_added_since_is_not_part_of_the_materialized_suite() -> None:
    more = replace(suite, cases=[*suite.cases, Case(id="c", input="new")])
    assert [case.id for case in suite_of(cases_table(suite), more).cases] == ["a", "b"]


secret = replace(suite, cases=[Case(id="a", input="the key is hunter22 for mia@example.org")])


def test_a_secret_is_asked_of_the_target_and_kept_nowhere() -> None:
    table = cases_table(secret, redact=lambda text: text.replace("hunter22", "[redacted:KEY]"))
    assert "hunter22" not in str(table.to_pydict())
    assert table["redacted"].to_pylist() == [True]
    assert suite_of(table, secret).cases == tuple(secret.cases)


@pytest.mark.parametrize(
    ("privacy", "kept"),
    [
        (None, "the key is hunter22 for mia@example.org"),
        ("keep", "the key is hunter22 for mia@example.org"),
        ("redact", "the key is hunter22 for [EMAIL_1]"),
        ("hash", ""),
        ("drop", ""),
    ],
)
def test_a_suite_says_what_of_its_texts_is_kept(privacy: str | None, kept: str) -> None:
    own = replace(secret, extra={"privacy": privacy} if privacy else {})
    line = json.loads(cases_table(own)["case"].to_pylist()[0])
    assert line["input"] == kept


def test_a_changed_question_whose_old_text_was_not_kept_is_not_asked_as_it_was_stored() -> None:
    own = replace(secret, extra={"privacy": "redact"})
    table = cases_table(own)
    edited = replace(own, cases=[Case(id="a", input="another question")])
    with pytest.raises(ConfigError, match="case a was changed, and its old text was not kept"):
        suite_of(table, edited)


def test_a_table_of_an_older_version_says_nothing_of_redaction() -> None:
    table = cases_table(suite).drop_columns(["redacted"])
    assert suite_digest(suite_of(table, suite)) == suite_digest(suite)


def metric(mean: float | None, *, n_scored: int = 4) -> MetricSummary:
    interval = Interval(low=0.1, high=0.9, method="wilson")
    known = None if mean is None else Estimate(
        n=n_scored, units=n_scored, mean=mean, median=1, sd=0.5, min=0, max=1, p5=0, p25=0,
        p75=1, p90=1, p95=1, p99=1, interval=interval, few_clusters=False,
    )  # fmt: skip
    return MetricSummary(
        facts=MetricFacts(name="m", type="m", fingerprint="f", scale=Scale()),
        n_planned=6, n_scored=n_scored, n_failed=0, n_missing=5 - n_scored, n_na=1,
        mean=mean, mean_scored=mean, estimate=known,
    )  # fmt: skip


def summary(mean: float | None) -> Summary:
    from tests.dagster.test_presentation import totals

    slices = {"tags": {"easy": {"m": metric(1.0, n_scored=1)}}}
    return Summary(totals=totals, metrics={"m": metric(mean)}, slices=slices)


def test_a_summary_is_a_row_per_metric_and_slice() -> None:
    table = summary_table(summary(0.5))
    assert table.schema.equals(summary_schema, check_metadata=True)
    whole, easy = table.to_pylist()
    assert (whole["metric"], whole["slice_by"], whole["mean"]) == ("m", None, 0.5)
    assert (whole["ci_low"], whole["ci_method"], whole["median"]) == (0.1, "wilson", 1.0)
    assert (easy["slice_by"], easy["slice"], easy["n_scored"]) == ("tags", "easy", 1)


def test_what_was_not_measured_is_null() -> None:
    whole = summary_table(summary(None)).to_pylist()[0]
    assert whole["mean"] is None
    assert whole["ci_low"] is None
    assert whole["median"] is None


def standing(target: str, mean: float | None, *, champion: bool = False) -> Standing:
    return Standing(
        target=target, champion=champion, summary=summary_table(summary(mean)), verdict="PASS"
    )


def test_the_champion_leads_and_the_others_follow_by_their_first_metric() -> None:
    table = leaderboard_table(
        [
            standing("unmeasured", None),
            standing("low", 0.2),
            standing("champ", 0.1, champion=True),
            standing("high", 0.7),
        ]
    )
    assert table["target"].to_pylist() == ["champ", "high", "low", "unmeasured"]
    assert table["coverage"].to_pylist() == [4 / 5] * 4


def test_a_leaderboard_without_targets_is_empty() -> None:
    assert leaderboard_table([]).num_rows == 0


def test_the_end_travels_in_the_table_of_its_comparisons() -> None:
    import pyarrow.parquet as pq

    table = with_end(pa.table({"rule_id": ["r"]}), {"verdict": "FAIL", "reasons": ["r"]})
    back = pq.read_table(pa.BufferReader(to_parquet(table)))
    assert end_in(back) == {"verdict": "FAIL", "reasons": ["r"]}


@pytest.mark.parametrize("table", [pa.table({"a": [1]}), None])
def test_a_table_without_an_end_has_none(table: pa.Table) -> None:
    assert end_in(table) == {}
