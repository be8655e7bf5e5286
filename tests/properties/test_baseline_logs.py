"""Logs of baselines: whatever was moved follows from what was before, and no byte can be changed."""

from typing import Any

from hypothesis import given, settings, strategies as st

from pipex_core.evals.baselines import Move, Pointer, before_of, line_of, lines_from, problems_of
from pipex_core.jsonvalue import canonical

calm = settings(max_examples=60, deadline=None)
moves = st.lists(
    st.tuples(st.sampled_from(["champion", "night"]), st.sampled_from("abcd"), st.text(max_size=8)),
    min_size=1,
    max_size=6,
)


def written(asked: list[tuple[str, str, str]]) -> tuple[str, dict[str, Pointer]]:
    """The log of these moves, and the pointers after it."""
    lines: list[dict[str, Any]] = []
    stands: dict[str, str] = {}
    for name, to, reason in asked:
        move = Move(
            action="set", name=name, to=to, seen=stands.get(name), actor="ann", at="t", reason=reason
        )  # fmt: skip
        lines.append(line_of(move, lines[-1] if lines else None))
        stands[name] = to
    text = "".join(f"{canonical(line)}\n" for line in lines)
    return text, {name: Pointer(name=name, run_id=to) for name, to in stands.items()}


@calm
@given(moves)
def test_every_sequence_of_moves_makes_a_log_without_problems(
    asked: list[tuple[str, str, str]],
) -> None:
    text, pointers = written(asked)
    assert problems_of(text, pointers) == []
    lines = lines_from(text)
    assert [line["reason"] for line in lines] == [reason for _, _, reason in asked]
    last = lines[-1]
    assert before_of(lines, last["name"], last["to"]) == last["from"]


@calm
@given(moves, st.data())
def test_a_changed_character_is_found(asked: list[tuple[str, str, str]], data: Any) -> None:
    text, pointers = written(asked)
    at = data.draw(st.integers(0, len(text) - 2))  # the last newline may be missing
    other = data.draw(st.characters(exclude_characters=text[at]))
    changed = text[:at] + other + text[at + 1 :]
    assert problems_of(changed, pointers) != []


@calm
@given(moves, st.data())
def test_a_missing_line_is_found(asked: list[tuple[str, str, str]], data: Any) -> None:
    text, pointers = written(asked)
    lines = text.removesuffix("\n").split("\n")
    gone = data.draw(st.integers(0, len(lines) - 1))
    name, to, _ = asked[gone]
    repeated = gone == len(lines) - 1 and any(n == name for n, _, _ in asked[:gone])
    stood = [t for n, t, _ in asked[:gone] if n == name]
    # A cut tail that left the name where it was changes nothing that the pointers could tell.
    if repeated and stood[-1] == to:
        return
    kept = "".join(f"{line}\n" for i, line in enumerate(lines) if i != gone)
    assert problems_of(kept, pointers) != []
