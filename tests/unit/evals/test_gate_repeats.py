"""How many answers per case would resolve an open question, and what they would cost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipex_core.evals.arms import Arm
from pipex_core.evals.gate import judge
from pipex_core.evals.gatefile import Gate, Rule
from pipex_core.evals.judged import Judged
from pipex_core.evals.verdict import Verdict, sentence
from tests.fakes.arms import arm

margin = Rule(id="r", metric="m", kind="noninferiority", margin=0.03)
floor = Rule(id="r", metric="m", kind="threshold", value=0.5)


def noisy(run_id: str, values: Any, **given: Any) -> Arm:
    made = arm(values.tolist(), run_id=run_id)
    known = {"within_variance": 0.04, "repeats": 2.0, **given}
    return replace(made, metrics={"m": replace(made.metrics["m"], **known)})


def arms(**given: Any) -> tuple[Arm, Arm]:
    rng = np.random.default_rng(5)
    a = rng.uniform(0.3, 0.7, 100)
    d = rng.normal(0, 0.22, 100)
    b = np.clip(a + d - d.mean(), 0, 1)
    return noisy("base", a, **given), noisy("new", b, **given)


def verdict(rule: Rule, a: Arm, b: Arm) -> Verdict:
    return judge(Gate(rules=(rule,)), Judged(arm=b), baseline=Judged(arm=a))


def test_repeats_are_counted_from_the_variance_within_cases() -> None:
    a, b = arms()
    found = verdict(margin, a, b)
    (rule,) = found.rules
    assert found.verdict == "INCONCLUSIVE"
    # With k = 2 the repeats make (.04 + .04)/2 of the variance; z(.95) + z(.8) = 2.4865.
    d = b.metrics["m"].values - a.metrics["m"].values
    between = max(0.0, float(np.var(d, ddof=1)) - 0.04)
    room = 100 * (0.03 / 2.4865) ** 2 - between
    wanted = None if room <= 0 else max(3, int(np.ceil(0.08 / room)))
    assert wanted is not None
    assert rule.repeats_needed == wanted
    assert rule.as_json()["repeats_needed"] == wanted
    said = sentence(found, cost_per_case=0.01)
    more = 100 * (wanted / 2 - 1) * 0.01
    assert f", or {wanted} answers per case (about {more:.2f} USD more)" in said


@pytest.mark.parametrize("given", [{"within_variance": None}, {"repeats": None}])
def test_without_repeats_nothing_is_said_of_them(given: Any) -> None:
    found = verdict(margin, *arms(**given))
    assert found.rules[0].repeats_needed is None
    assert found.rules[0].row.n_needed is not None


def test_no_number_of_repeats_helps_where_the_cases_differ() -> None:
    found = verdict(margin, *arms(within_variance=0.001))
    assert found.verdict == "INCONCLUSIVE"
    assert found.rules[0].repeats_needed is None


def test_a_threshold_knows_the_repeats_of_one_arm() -> None:
    a, b = arms(within_variance=0.1)
    values = b.metrics["m"].values
    near = replace(floor, value=float(np.mean(values)) - 0.02)
    (rule,) = verdict(near, a, b).rules
    assert rule.outcome == "INCONCLUSIVE"
    between = max(0.0, float(np.var(values, ddof=1)) - 0.1 / 2)
    room = 100 * (0.02 / 2.4865) ** 2 - between
    assert rule.repeats_needed == (None if room <= 0 else int(np.ceil(0.1 / room)))
    decided = verdict(replace(floor, value=0.1), a, b)
    assert decided.verdict == "PASS"
    assert decided.rules[0].repeats_needed is None
