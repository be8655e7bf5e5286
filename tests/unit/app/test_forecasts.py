"""What evaluations will cost, and which of them the budget of a day admits."""

from datetime import date
from pathlib import Path

import pytest

from pipex_core.app.answering import day_left_usd
from pipex_core.app.evaluations import open_desk, run_eval
from pipex_core.app.forecasts import Basis, Forecast, admitted, cost_per_answer, forecast
from pipex_core.app.requests import EvalRequest
from pipex_core.app.settings import read_settings

rules = """
responses:
  - {when: {contains: one}, reply: "1", cost: 0.002}
  - {when: {contains: two}, reply: "2", cost: 0.004}
"""


def expected(cost_usd: float | None, basis: Basis = "bound") -> Forecast:
    return Forecast(to_ask=2, carried=0, cost_usd=cost_usd, basis=basis)


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mock.yaml").write_text(rules)
    path = tmp_path / "numbers.yaml"
    path.write_text(
        "id: numbers\ndefaults: {metrics: [exact_match], prompt: '{{ input }}'}\n"
        "cases:\n  - {id: a, input: one, expected_output: '1'}\n  - {id: b, input: two, expected_output: '2'}\n"
    )
    return path


def test_what_fits_is_admitted_one_after_another() -> None:
    wanted = {"dear": expected(3.0), "cheap": expected(0.5), "next": expected(0.6)}
    assert admitted(wanted.items(), left_usd=1.0) == {"cheap"}
    assert admitted(wanted.items(), left_usd=None) == set(wanted)


def test_what_costs_nothing_is_always_admitted() -> None:
    assert admitted([("free", expected(0.0, "free"))], left_usd=0.0) == {"free"}


def test_what_nobody_knows_the_cost_of_needs_something_to_be_left() -> None:
    unknown = expected(None, "unknown")
    assert admitted([("new", unknown)], left_usd=0.01) == {"new"}
    assert admitted([("new", unknown)], left_usd=0.0) == set()
    assert unknown.text == "2 answers, whose cost nobody knows yet"


def test_an_answer_costs_what_it_cost_the_last_time(suite: Path) -> None:
    target = {"kind": "prompt", "model": "m-1", "name": "live"}
    run_eval(str(suite), target, mock_responses="mock.yaml")
    desk = open_desk(kind="mixed", mock_responses="mock.yaml")
    assert cost_per_answer(desk.archive, "numbers", "live") == pytest.approx(0.003)
    assert cost_per_answer(desk.archive, "numbers", "another") is None
    job = desk.job(EvalRequest(suite=str(suite), target=target))
    found = forecast(desk, job, carry=False)
    assert (found.to_ask, found.basis) == (2, "history")
    assert found.cost_usd == pytest.approx(0.006)
    assert found.text == "2 answers for about 0.0060 USD (history)"


def test_answers_of_a_mock_are_free_and_known_ones_are_not_asked(suite: Path) -> None:
    target = {"kind": "prompt", "model": "m-1", "name": "live"}
    desk = open_desk(kind="mock", mock_responses="mock.yaml")
    job = desk.job(EvalRequest(suite=str(suite), target=target))
    assert forecast(desk, job).basis == "free"
    run_eval(str(suite), target, mock_responses="mock.yaml")
    found = forecast(desk, job)
    assert (found.to_ask, found.carried, found.basis) == (0, 2, "nothing_to_ask")


def test_a_model_that_has_never_answered_costs_no_more_than_its_bound(suite: Path) -> None:
    desk = open_desk(kind="mixed", mock_responses="mock.yaml")
    options = {"max_tokens": 100}
    target = {"kind": "prompt", "model": "claude-haiku-4-5", "options": options}
    found = forecast(desk, desk.job(EvalRequest(suite=str(suite), target=target)))
    assert found.basis == "bound"
    # 2 answers of at most 100 tokens for 5 USD per million, and a few tokens in.
    assert found.cost_usd == pytest.approx(2 * 100 * 5e-6, rel=0.2)


def test_the_day_has_left_what_is_neither_spent_nor_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipex_core.adapters.day_accounts import SqliteDayAccounts
    from pipex_core.app.answering import day_accounts_file

    monkeypatch.chdir(tmp_path)
    day = date(2026, 11, 24)
    assert day_left_usd(read_settings(), day) is None
    monkeypatch.setenv("PIPEX_DAILY_COST_USD", "2")
    accounts = SqliteDayAccounts(tmp_path / "checkpoints" / day_accounts_file)
    accounts.reserve(day, "live", 500_000_000, cap=2_000_000_000)
    accounts.settle(day, "live", reserved=0, spent=250_000_000)
    assert day_left_usd(read_settings(), day) == 1.25
