"""Whatever is reserved, settled and released, no cap is ever passed."""

from decimal import Decimal

from hypothesis import given, strategies as st

from pipex_core.errors import BudgetExceeded
from pipex_core.llm.cost import Amount, Budget, Ledger, Reservation

amounts = st.builds(
    Amount,
    nanousd=st.integers(0, 40_000_000),
    tokens=st.integers(0, 400),
    calls=st.just(1),
)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 2), amounts),
        st.tuples(st.just("settle"), st.integers(0, 99), st.floats(0, 1)),
        st.tuples(st.just("release"), st.integers(0, 99), st.just(0.0)),
    ),
    max_size=60,
)


def share(amount: Amount, part: float) -> Amount:
    return Amount(nanousd=int(amount.nanousd * part), tokens=int(amount.tokens * part), calls=1)


@given(moves)
def test_spent_and_reserved_stay_within_every_cap_and_add_up(
    moves: list[tuple[str, int, Amount | float]],
) -> None:
    run = Ledger(Budget(max_cost_usd=Decimal("0.1"), max_tokens=1000, max_calls=9))
    cases = [run.child(Budget(name="case", max_cost_usd=Decimal("0.05"))) for _ in range(2)]
    levels = [run, *cases]
    running: list[Reservation] = []
    for move, number, value in moves:
        if isinstance(value, Amount):
            try:
                running.append(levels[number].reserve(value))
            except BudgetExceeded:
                continue
        elif running:
            reservation = running.pop(number % len(running))
            if move == "settle":
                reservation.settle(share(reservation.amount, value))
            else:
                reservation.release()
        for level in levels:
            assert level.budget.passed_by(level.spent + level.reserved) is None
        assert run.reserved == sum((r.amount for r in running), Amount())
        assert run.spent.nanousd >= sum(case.spent.nanousd for case in cases)
