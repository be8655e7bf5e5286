"""Certificates: the limits, what follows from them, and how long they hold for whom."""

import json
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import pytest

from pipex_core.errors import ConfigError
from pipex_core.evals.certificate import (
    Certificate,
    Limits,
    certificate_from,
    certify,
    limits_from,
)
from pipex_core.evals.labelled import Figures, Labelled, Ruler
from pipex_core.metrics.contract import Scored, Unscored
from pipex_core.metrics.judge_reply import OnScale
from pipex_core.stats.agreement import Agreement

today = date(2026, 11, 24)
good = Figures(
    kind="number",
    n=60,
    raters=1,
    kappa=Agreement(value=0.7, low=0.5, high=0.8, n=60),
    alpha=Agreement(value=0.3, low=0.1, high=0.5, n=60),
    test_retest=0.95,
    position_consistency=0.9,
    length_bias=0.1,
)
ruler = Ruler(shape=OnScale(), threshold=0.7)


def certificate(**figures: Any) -> Certificate:
    return Certificate(
        judge_id="j",
        fingerprint="f" * 64,
        metric="relevance",
        suite_id="s",
        suite_digest="d" * 64,
        figures=replace(good, **figures),
        made=today,
        expires=date(2027, 5, 23),
    )


def cases(count: int, verdict: Any = None) -> list[Labelled]:
    return [
        Labelled(
            case_id=f"c{n}",
            human=[n % 5 + 1],
            verdicts=[verdict or Scored(value=n % 5 / 4)] * 3,
            length=(n * 7) % 11,
        )
        for n in range(count)
    ]


def issue(found: list[Labelled], **options: Any) -> Certificate:
    return certify(
        found,
        ruler,
        judge_id="j",
        fingerprint="f" * 64,
        metric="relevance",
        suite_id="s",
        suite_digest="d" * 64,
        today=today,
        **options,
    )


def test_a_judge_who_reaches_all_limits_passes() -> None:
    assert certificate().failures == []


def agreement(value: float, low: float | None) -> Agreement:
    return Agreement(value=value, low=low, high=1.0, n=60)


@pytest.mark.parametrize(
    ("figures", "failure"),
    [
        ({"kappa": agreement(0.59, 0.5)}, "agreement with people is 0.59, 0.30; it takes 0.6"),
        ({"kappa": agreement(0.7, 0.39)}, "with a lower end of 0.4"),
        ({"kappa": agreement(0.7, None)}, "with a lower end of 0.4"),
        ({"kappa": None, "alpha": None}, "agreement with people is none"),
        ({"test_retest": 0.89}, "test-retest is 0.89, below 0.9"),
        ({"test_retest": None}, "test-retest is unknown, below 0.9"),
        ({"position_consistency": 0.79}, "position consistency is 0.79, below 0.8"),
        ({"length_bias": 0.31}, "length bias is +0.31, above 0.3"),
        ({"length_bias": -0.31}, "length bias is -0.31, above 0.3"),
    ],
)
def test_every_limit_can_fail_alone(figures: dict[str, Any], failure: str) -> None:
    (found,) = certificate(**figures).failures
    assert failure in found


@pytest.mark.parametrize(
    "figures",
    [
        {"kappa": None, "alpha": agreement(0.6, 0.4)},
        {"test_retest": 0.9},
        {"position_consistency": 0.8},
        {"position_consistency": None},
        {"length_bias": 0.3},
        {"length_bias": None},
    ],
)
def test_the_limits_themselves_are_enough_and_what_cannot_be_measured_is_left_out(
    figures: dict[str, Any],
) -> None:
    assert certificate(**figures).failures == []


def test_a_certificate_holds_for_its_judge_until_it_expires() -> None:
    found = certificate()
    assert found.state("f" * 64, today) == "valid"
    assert found.state("f" * 64, date(2027, 5, 22)) == "valid"
    assert found.state("f" * 64, date(2027, 5, 23)) == "expired"
    assert found.state("e" * 64, today) == "other_fingerprint"
    assert certificate(test_retest=0.1).state("f" * 64, today) == "failing"


def test_a_certificate_comes_back_from_its_file() -> None:
    found = certificate()
    document = json.loads(json.dumps(found.document()))
    assert (document["schema"], document["passed"], document["made"]) == (
        "pipex.certificate/1",
        True,
        "2026-11-24",
    )
    assert certificate_from(document) == found
    assert certificate_from(document).id == found.id


def test_an_edited_verdict_says_nothing() -> None:
    document = certificate(test_retest=0.1).document()
    lied = {**document, "passed": True, "failures": []}
    assert certificate_from(lied).state("f" * 64, today) == "failing"


@pytest.mark.parametrize(
    "change",
    [
        {"figures": {}},
        {"limits": {"kindness": 1}},
        {"made": "yesterday"},
        {"suite": None},
        {"figures": {**asdict(good), "kappa": {"value": 1}}},
    ],
)
def test_a_file_that_is_no_certificate_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="the certificate cannot be read"):
        certificate_from({**certificate().document(), **change})


def test_certifying_measures_and_dates() -> None:
    found = issue(cases(50))
    assert found.failures == []
    assert (found.figures.n, found.figures.test_retest) == (50, 1.0)
    assert (found.made, found.expires) == (today, date(2027, 5, 23))
    assert found.limits == Limits()


def test_limits_are_written_into_the_certificate() -> None:
    limits = limits_from({"cases": 10, "days": 30, "agreement": 0.9})
    found = issue(cases(10), limits=limits)
    assert found.document()["limits"]["cases"] == 10
    assert found.expires == date(2026, 12, 24)


def test_too_few_labels_or_verdicts_make_no_certificate() -> None:
    with pytest.raises(ConfigError) as few:
        issue(cases(49))
    assert few.value.code == "too_few_labels"
    with pytest.raises(ConfigError) as silent:
        issue(cases(60, Unscored(code="judge_error", reason="down")))
    assert silent.value.code == "judge_incomplete"
    assert "judge j has judged 0 of 60 labelled cases" in silent.value.message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"kappa": 0.5}, "'kappa' is no limit; the limits are agreement"),
        ({"agreement": "high"}, "is a number from 0"),
        ({"agreement": -0.1}, "is a number from 0"),
        ({"days": True}, "is a number from 0"),
    ],
)
def test_limits_are_checked(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        limits_from(raw)
