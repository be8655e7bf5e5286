"""The rules that every reader of rows shares."""

from typing import get_args

import pytest

from pipex_core.evals.results import (
    ResponseStatus,
    classes,
    is_open,
    passes,
    state_of,
    verdict_of_response,
)


def test_every_status_has_the_class_of_the_table() -> None:
    # Table 5.4 of the evaluation specification.
    assert set(classes) == set(get_args(ResponseStatus))
    by_class = {
        word: sorted(status for status, found in classes.items() if found == word)
        for word in ("observed", "target_failure", "missing")
    }
    assert by_class == {
        "observed": ["model_refusal", "ok", "truncated"],
        "target_failure": ["model_error", "target_error"],
        "missing": [
            "cancelled", "infra_error", "not_run_budget", "rate_limited", "skipped", "timeout",
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "response_class", "state"),
    [
        ("scored", None, "observed", "scored"),
        ("scored", None, "target_failure", "scored"),
        ("unscored", "no_reference", "observed", "na"),
        ("unscored", "too_large", "target_failure", "na"),
        ("unscored", "no_output", "target_failure", "failed"),
        ("unscored", "not_run", "missing", "missing"),
        ("unscored", "metric_error", "observed", "missing"),
        ("unscored", "judge_abstained", "observed", "missing"),
    ],
)
def test_a_row_counts_in_one_of_four_ways(
    status: str, code: str | None, response_class: str, state: str
) -> None:
    assert state_of(status=status, code=code, response_class=response_class) == state


@pytest.mark.parametrize(
    ("code", "tried_again"),
    [
        # Section 2.4: final codes are kept, the others are open.
        (None, False),
        ("no_reference", False),
        ("missing_input", False),
        ("not_applicable", False),
        ("no_output", False),
        ("bad_reference", False),
        ("too_large", False),
        ("judge_abstained", False),
        ("not_run", True),
        ("budget", True),
        ("judge_error", True),
        ("judge_parse", True),
        ("metric_error", True),
        ("metric_timeout", True),
        ("metric_crash", True),
    ],
)
def test_a_score_is_measured_again_only_where_that_could_help(
    *, code: str | None, tried_again: bool
) -> None:
    status = "scored" if code is None else "unscored"
    assert is_open(status=status, code=code) is tried_again


@pytest.mark.parametrize(
    ("score", "threshold", "direction", "passed"),
    [
        (0.8, 0.8, "higher", True),
        (0.8 - 1e-13, 0.8, "higher", True),
        (0.79, 0.8, "higher", False),
        (0.8, 0.8, "lower", True),
        (0.81, 0.8, "lower", False),
        (0.1 + 0.2, 0.3, "lower", True),
        (None, 0.8, "higher", None),
        (0.8, None, "higher", None),
        (0.8, 0.8, "none", None),
    ],
)
def test_a_threshold_is_reached_with_a_tolerance(
    *, score: float | None, threshold: float | None, direction: str, passed: bool | None
) -> None:
    assert passes(score, threshold=threshold, direction=direction) is passed


@pytest.mark.parametrize(
    ("required", "response_class", "passed"),
    [
        ([(True, 0.5)], "observed", True),
        ([(True, 0.5), (True, 0.5)], "observed", True),
        ([(True, 0.5), (False, 0.5)], "observed", False),
        ([(None, 0.5), (False, 0.5)], "observed", False),
        ([(True, 0.5), (None, 0.5)], "observed", None),
        ([(None, None)], "observed", None),
        ([(True, 0.5), (None, None)], "observed", True),
        ([], "observed", None),
        ([], "missing", None),
        ([(True, 0.5)], "missing", None),
        ([(False, 0.5)], "missing", None),
        ([(None, 0.5)], "target_failure", False),
        ([], "target_failure", False),
    ],
)
def test_a_response_passes_when_every_required_metric_with_a_threshold_did(
    *, required: list[tuple[bool | None, float | None]], response_class: str, passed: bool | None
) -> None:
    assert verdict_of_response(required, response_class=response_class) is passed
