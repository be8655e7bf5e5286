"""What the UI is given: floats to plot, tables that fit, and one picture that opens."""

import base64
import io
import re

import dagster as dg
import matplotlib.image
import pyarrow as pa

from pipex_core.evals.arms import MetricFacts
from pipex_core.evals.summary import MetricSummary, Summary, Totals
from pipex_core.stats.estimates import Estimate, Histogram, Interval, Scale
from pipex_dagster.presentation import (
    bars,
    coverage,
    cut,
    numbers,
    of_metrics,
    panels,
    rows_shown,
    summary_text,
)

totals = Totals(
    n_cases=10,
    n_quarantined=0,
    n_rows=10,
    n_ok=9,
    n_failed=1,
    n_missing=0,
    n_carried=0,
    n_passed=6,
    n_case_failed=3,
    n_undetermined=1,
    n_cases_missing=0,
    statuses={"ok": 9, "target_error": 1},
    pass_rate=6 / 9,
    pass_interval=None,
    calls=10,
    input_tokens=0,
    output_tokens=0,
    cost_nanousd=0,
    judge_cost_nanousd=0,
    saved_nanousd=0,
    duration_ms_mean=None,
    latency={},
)
facts = MetricFacts(name="match", type="exact_match", fingerprint="f", scale=Scale(), threshold=0.5)


def metric(**known: object) -> MetricSummary:
    counts: dict[str, object] = {
        "n_planned": 10,
        "n_scored": 6,
        "n_failed": 1,
        "n_missing": 1,
        "n_na": 2,
    }
    return MetricSummary(facts=facts, **{**counts, **known})  # type: ignore[arg-type]  # test data by name


def test_numbers_are_floats_and_what_is_unknown_is_left_out() -> None:
    found = numbers({"calls": 3, "cost_usd": 0.5, "p95": None})
    assert found == {"calls": dg.FloatMetadataValue(3.0), "cost_usd": dg.FloatMetadataValue(0.5)}


def test_the_panels_hold_row_count_and_columns() -> None:
    found = panels(pa.table({"case_id": pa.array(["a", "b"]), "score": pa.array([1.0, None])}))
    assert found["dagster/row_count"] == dg.IntMetadataValue(2)
    schema = found["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert [(c.name, c.type) for c in schema.columns] == [
        ("case_id", "string"),
        ("score", "double"),
    ]


def test_an_inline_table_holds_the_first_rows_with_long_texts_cut() -> None:
    table = rows_shown({"n": n, "text": "x" * 500, "none": None} for n in range(50))
    assert table is not None
    assert len(table.records) == 20
    first = table.records[0].data
    assert first["n"] == 0
    assert first["none"] == ""
    assert first["text"] == "x" * 160 + " … (340 more characters)"


def test_no_rows_make_no_table() -> None:
    assert rows_shown([]) is None


def test_a_short_text_is_not_cut() -> None:
    assert cut("abc", at=3) == "abc"


def test_coverage_leaves_out_cases_without_a_question_and_counts_failures_of_the_target() -> None:
    assert coverage(metric()) == 7 / 8
    assert coverage(metric(n_na=10)) is None


def test_means_and_coverage_have_the_names_that_gates_use() -> None:
    summary = Summary(totals=totals, metrics={"match": metric(mean=0.6)})
    assert of_metrics(summary) == {"match_mean": 0.6, "match_coverage": 7 / 8}


def test_the_summary_is_a_table_with_one_picture_below() -> None:
    known = metric(
        mean=0.6,
        bounds=(0.5, 0.7),
        estimate=Estimate(
            n=7, units=7, mean=0.6, median=1, sd=0.5, min=0, max=1, p5=0, p25=0, p75=1,
            p90=1, p95=1, p99=1, interval=Interval(low=0.2, high=0.9, method="wilson"),
            few_clusters=False,
        ),
        histogram=Histogram(low=0, high=1, counts=(3, 0, 4)),
    )  # fmt: skip
    text = summary_text(Summary(totals=totals, metrics={"match": known, "empty": metric(n_na=10)}))
    assert "| `match` | 0.6 | 0.2 … 0.9 | 0.5 … 0.7 | 87.5 % |" in text
    assert "| `empty` | - | - | - | - |" in text
    assert text.count("data:image/png;base64,") == 1


def test_without_values_there_is_no_picture() -> None:
    assert "![" not in summary_text(Summary(totals=totals, metrics={"match": metric()}))


def test_a_histogram_is_a_small_picture_inside_the_text() -> None:
    text = bars([0.0, 0.5], [3, 4], width=0.5, title="match", mark=0.5)
    found = re.fullmatch(r"!\[match: histogram\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", text)
    assert found is not None
    png = base64.b64decode(found[1])
    assert len(png) < 20_000
    assert matplotlib.image.imread(io.BytesIO(png)).shape[:2] == (128, 320)
