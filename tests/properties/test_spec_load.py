"""Whatever stands in a file: a pipeline or a list of problems, and YAML reads back what JSON wrote."""

import json
import string
from collections.abc import Sequence
from random import Random

import yaml
from hypothesis import given, settings, strategies as st

from pipex_core.app.wiring import shapes
from pipex_core.errors import Problem, SpecError
from pipex_core.jsonvalue import Json, equal
from pipex_core.spec.load import load_pipeline
from pipex_core.spec.plan import Plan, load_plan
from pipex_core.spec.yaml_text import read_yaml
from tests.fakes.drawn_pipelines import Drawer
from tests.fakes.step_shapes import step_shapes

built_in = shapes()
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(string.ascii_letters, max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
words = st.sampled_from(
    [
        *("name", "type", "steps", "prompt", "value", "condition", "when", "retry", "cases"),
        *("depends_on", "inputs", "variables", "outputs", "defaults", "claude_options", "config"),
        *("static", "echo", "claude", "for_loop", "switch", "pipeline", "gemini", "a", "b"),
        *(
            "{{ a }}",
            "{{ steps.a",
            "steps.a.data > 1",
            "inputs.x",
            "content",
            "items",
            "operations",
        ),
    ]
)
likely = st.recursive(
    words | st.integers(-1, 3) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
    max_leaves=25,
)


@given(plain)
def test_json_is_read_as_it_was_written(value: Json) -> None:
    assert equal(read_yaml(json.dumps(value, ensure_ascii=False)).value, value)
    assert equal(read_yaml(json.dumps(value, indent=2, ensure_ascii=False)).value, value)


@given(plain)
def test_every_value_has_a_place(value: Json) -> None:
    source = read_yaml(json.dumps({"root": value}, ensure_ascii=False)).source
    assert all(line == 1 and column >= 1 for line, column in source.places.values())

    def count(inner: Json) -> int:
        if isinstance(inner, dict):
            return 1 + sum(map(count, inner.values()))
        return 1 + sum(map(count, inner)) if isinstance(inner, list) else 1

    assert len(source.places) == count(value) + 1


@given(st.text(max_size=60) | st.text("[]{}:,-&*!|>'\"#%@` \n\tab01", max_size=40))
def test_any_text_is_a_value_or_problems(text: str) -> None:
    found: Sequence[Problem] = ()
    try:
        read_yaml(text, "f")
    except SpecError as exc:
        found = exc.problems
    assert all(p.line >= 1 and p.column >= 1 and p.message for p in found)


@given(
    st.dictionaries(words, likely, max_size=6), st.lists(st.dictionaries(words, likely), max_size=3)
)
def test_any_workflow_is_a_plan_or_problems(fields: dict[str, Json], steps: list[Json]) -> None:
    typed = [{"name": f"s{i}", "type": "echo", **step} for i, step in enumerate(steps)]
    text = yaml.safe_dump({"workflow": {"name": "x", **fields, "steps": typed}})
    found: Sequence[Problem] = ()
    try:
        assert_runnable(load_plan(text, "f.yaml", step_shapes))
    except SpecError as exc:
        found = exc.problems
        text = ""
    assert bool(text) != any(problem.severity == "error" for problem in found)
    assert all(problem.line >= 1 for problem in found)


@given(st.randoms(use_true_random=False), st.sampled_from([0.0, 0.01, 0.3]))
@settings(max_examples=100)
def test_any_file_of_the_built_in_steps_is_a_plan_or_problems(rng: Random, odd: float) -> None:
    text = json.dumps(Drawer(rng, built_in, odd=odd).file())
    found: Sequence[Problem] = ()
    try:
        assert_runnable(load_plan(text, "f.yaml", built_in))
    except SpecError as exc:
        found = exc.problems
        assert any(problem.severity == "error" for problem in found)
    assert all(problem.line == 1 and problem.column >= 1 for problem in found)
    places = [(problem.line, problem.column) for problem in found]
    assert places == sorted(places)


flow = st.recursive(
    st.sampled_from(["1", "a", "*x", "~", "'q'", '"\\u00e9"', "&y b"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(inner, max_size=3).map(
            lambda parts: "{" + ", ".join(f"{p}: 1" for p in parts) + "}"
        )
        | inner.map(lambda part: f"&x {part}" if part[0] not in "&*" else part)
    ),
    max_leaves=20,
)


def read(text: str) -> tuple[Json, set[str]]:
    """The value of a text, None when it is none, and the codes of its problems."""
    try:
        return read_yaml(text, "f").value, set()
    except SpecError as exc:
        return None, {problem.code for problem in exc.problems}


@given(flow)
def test_anchors_anywhere_give_a_value_or_problems(text: str) -> None:
    value, codes = read(text)
    assert codes <= {"yaml_syntax", "duplicate_key", "too_large"}
    assert json.dumps(value, allow_nan=False)


@given(st.integers(1, 30), st.integers(2, 12))
def test_aliases_of_aliases_are_counted_before_they_are_made(levels: int, width: int) -> None:
    lines = ["a0: &a0 [1]"]
    sizes = [2]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} [{aliases}]")
        sizes.append(1 + width * sizes[-1])
    nodes = 1 + sum(sizes) + levels  # the map, its values, its keys
    assert read("\n".join(lines))[1] == ({"too_large"} if nodes > 200_000 else set())


@given(st.integers(1, 3000), st.sampled_from(["[", "{a: ", "- ", "? ", "- ? ", "{[", "{? "]))
def test_nesting_has_an_end(depth: int, opening: str) -> None:
    closing = "".join({"[": "]", "{": "}"}.get(sign, "") for sign in reversed(opening))
    value, codes = read(opening * depth + "1" + closing * depth)
    assert codes <= {"too_large", "yaml_syntax"}
    assert codes or json.dumps(value)
    assert codes or depth <= 64
    assert codes or "?" not in opening or depth < 12


@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_odd_characters_come_back_or_are_refused(text: str) -> None:
    value, codes = read(f"a: {json.dumps(text, ensure_ascii=False)}")
    assert codes == {"yaml_syntax"} or value == {"a": text}


@given(st.lists(st.sets(st.integers(0, 9), max_size=4), min_size=1, max_size=10), st.randoms())
def test_ready_steps_reach_every_step_whatever_finishes_first(
    references: list[set[int]], rng: Random
) -> None:
    steps = [
        {
            "name": f"s{i}",
            "type": "echo",
            "value": [f"{{{{ s{j} }}}}" for j in sorted(refs) if j < i],
        }
        for i, refs in enumerate(references)
    ]
    text = json.dumps({"workflow": {"name": "x", "execution": "dag", "steps": steps}})
    plan = load_plan(text, "f", step_shapes)
    assert_runnable(plan)
    finished: set[str] = set()
    while len(finished) < len(steps):
        ready = [step.name for step in plan.ready(finished=finished, started=finished)]
        assert ready == [s["name"] for s in steps if s["name"] in ready]
        finished.add(rng.choice(ready))
    for step, refs in zip(plan.steps, references, strict=True):
        assert step.depends_on == tuple(f"s{j}" for j in sorted(refs) if j < int(step.name[1:]))


@given(st.permutations(["name", "type", "value", "condition", "description"]))
def test_the_order_of_keys_means_nothing(order: list[str]) -> None:
    values = {"name": "a", "type": "echo", "value": [1, {"k": 2}], "condition": "true"}
    step = {key: values.get(key, "words") for key in order}
    text = json.dumps({"workflow": {"steps": [step], "name": "x"}})
    spec = load_pipeline(text, "f", step_shapes)
    assert (
        load_plan(text, "f", step_shapes).digest
        == load_plan(
            json.dumps({"workflow": {"name": "x", "steps": [values]}}), "g", step_shapes
        ).digest
    )
    assert spec.steps[0].get("value") == [1, {"k": 2}]


def assert_runnable(plan: Plan) -> None:
    """Every step depends on earlier ones only."""
    seen: set[str] = set()
    for step in plan.steps:
        assert seen.issuperset(step.depends_on)
        seen.add(step.name)
