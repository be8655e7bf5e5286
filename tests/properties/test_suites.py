"""What holds for every suite: forms, hashes, diffs, samples."""

import io
import json
import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings, strategies as st

from pipex_core.errors import Problem, SpecError
from pipex_core.evals.caselines import Text, stream_lines
from pipex_core.evals.curate import sample
from pipex_core.evals.jsonplaces import source_of_json
from pipex_core.evals.suite import Case, Suite, SuiteDefaults, hashes, suite_digest
from pipex_core.evals.suitediff import diff_from_json, diff_suites
from pipex_core.evals.suitefile import (
    dump_directory,
    dump_json,
    dump_lines,
    dump_yaml,
    read_directory,
    read_file,
)
from pipex_core.evals.suitepatch import apply_diff
from pipex_core.evals.suitetable import dump_table, read_table

texts = st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
maps = st.dictionaries(texts, values, max_size=3)
names = st.text("abcABC012._-", min_size=1, max_size=6)
some_texts = st.lists(texts, max_size=3)


def listed(item: Any) -> Any:
    return st.lists(item, max_size=3).map(tuple)


def maybe(item: Any) -> Any:
    return st.none() | item


references = st.one_of(
    st.none(),
    texts,
    st.lists(texts, min_size=1, max_size=3),
    values.map(lambda value: {"$value": value}),
    maps.filter(lambda value: "$value" not in value),
)
entries = st.sampled_from(["bleu", {"type": "rouge", "threshold": 0.5}, {"type": "x", "opts": {}}])
cases = st.builds(
    Case,
    id=names,
    input=texts | maps,
    expected_output=references,
    name=maybe(texts),
    metadata=maps.filter(lambda value: "tags" not in value),
    tags=st.lists(names, max_size=3, unique=True).map(lambda tags: tuple(sorted(tags))),
    created_at=st.sampled_from([None, "2025-01-31T00:00:00Z"]),
    version=st.integers(1, 9),
    context=maybe(texts | listed(texts)),
    choices=maybe(listed(texts)),
    expected_tools=maybe(
        listed(st.builds(lambda n, a: {"name": n, "arguments": a}, texts, values))
    ),
    relevant_ids=maybe(listed(texts)),
    metrics=maybe(listed(entries)),
    cluster_id=maybe(texts),
    weight=st.sampled_from([1.0, 0.5, 3.0]),
    split=maybe(texts),
    source=maybe(maps),
    status=st.sampled_from(["active", "quarantined", "frozen"]),
    extra=st.dictionaries(texts.map(lambda t: f"x-{t}"), values, max_size=2),
)
suites = st.builds(
    lambda cases, **fields: Suite(
        id="s", cases=tuple(sorted(cases, key=lambda case: case.id)), **fields
    ),
    cases=st.lists(cases, max_size=4, unique_by=lambda case: case.id),
    name=texts,
    description=maybe(texts),
    version=names,
    defaults=st.builds(
        SuiteDefaults,
        repeats=st.integers(1, 3),
        prompt=texts,
        metrics=listed(entries),
        timeout_seconds=st.sampled_from([300.0, 0.5]),
    ),
    gate=maybe(texts | maps),
    extra=st.fixed_dictionaries(
        {}, optional={"metadata": maps, "tags": listed(texts), "x-a": texts}
    ),
)


@given(suites)
@settings(deadline=None, max_examples=60)
def test_every_form_reads_back_as_the_same_suite(suite: Suite) -> None:
    texts_of = dump_directory(suite)
    forms = [
        read_directory(
            Text(file="s/suite.yaml", text=texts_of["suite.yaml"]),
            Text(file="s/cases.jsonl", text=texts_of["cases.jsonl"].encode()),
        ),
        read_file(Text(file="s.json", text=dump_json(suite))),
        read_file(Text(file="s.yaml", text=dump_yaml(suite))),
        read_table(Text(file="s.parquet", text=dump_table(suite))),
    ]
    assert all(form == suite for form in forms)
    assert {suite_digest(form) for form in forms} == {suite_digest(suite)}
    assert dump_directory(forms[0]) == texts_of
    assert dump_table(forms[-1]) == dump_table(suite)
    lines = io.BytesIO(texts_of["cases.jsonl"].encode())
    assert tuple(stream_lines(lines, file="s")) == suite.cases
    assert read_file(Text(file="s.jsonl", text=dump_lines(suite.cases))).cases == suite.cases


def random_suite(rng: random.Random) -> Suite:
    """A suite with every field now and then; quicker than a strategy, for large numbers of them."""

    def text() -> str:
        return "".join(rng.choices("ab é\n\"\\\u2028𝄞{[:#'~0", k=rng.randint(0, 12)))

    def some(value: Any) -> Any:
        return value if rng.random() < 0.5 else None

    def case(n: int) -> Case:
        return Case(
            id=f"{rng.choice('aZ_/')}{n}",
            input=rng.choice([text(), {text(): [1, 2.5, None]}, [{"role": "user", "content": text()}]]),
            expected_output=some(rng.choice([text(), [text(), text()], {"$value": [text()]}, 7, True])),
            name=some(text()),
            metadata={"k": text()} if rng.random() < 0.5 else {},
            tags=tuple(sorted({text() for _ in range(rng.randint(0, 3))})),
            version=rng.randint(1, 3),
            context=some(rng.choice([text(), (text(),)])),
            weight=rng.choice([1.0, 0.1, 3.0]),
            status=rng.choice(["active", "frozen"]),
            extra={"x-a": rng.random()} if rng.random() < 0.3 else {},
        )  # fmt: skip

    ordered = sorted((case(n) for n in range(rng.randint(0, 5))), key=lambda one: one.id)
    return Suite(id="s", name=text(), description=some(text()), cases=tuple(ordered))


def test_a_thousand_random_suites_are_saved_loaded_and_saved_alike() -> None:
    rng = random.Random(2)
    for _ in range(1000):
        suite = random_suite(rng)
        texts_of = dump_directory(suite)
        loaded = read_directory(
            Text(file="s/suite.yaml", text=texts_of["suite.yaml"].encode()),
            Text(file="s/cases.jsonl", text=texts_of["cases.jsonl"].encode()),
        )
        assert loaded == suite
        assert suite_digest(loaded) == suite_digest(suite)
        assert dump_directory(loaded) == texts_of


@given(suites, suites)
@settings(deadline=None, max_examples=60)
def test_a_diff_leads_there_and_its_mirror_back(a: Suite, b: Suite) -> None:
    there, back = diff_suites(a, b), diff_suites(b, a)
    assert apply_diff(a, there) == b
    assert apply_diff(b, back) == a
    assert diff_suites(a, a).is_empty
    assert [one.id for one in there.added] == [one.id for one in back.removed]
    assert [one.id for one in there.input_changed] == [one.id for one in back.input_changed]
    assert there.unchanged == back.unchanged
    assert len(there.renamed) == len(back.renamed)
    assert diff_from_json(json.loads(json.dumps(there.as_json()))) == there


@given(cases, cases)
@settings(deadline=None)
def test_equal_hashes_mean_an_equal_question(a: Case, b: Case) -> None:
    same_input = (a.input, a.choices, a.context) == (b.input, b.choices, b.context)
    if json.dumps([a.input, a.choices, a.context]) == json.dumps([b.input, b.choices, b.context]):
        assert hashes(a).input_hash == hashes(b).input_hash
    if hashes(a).input_hash == hashes(b).input_hash:
        assert same_input
    moved = replace(a, id="other", created_at=None, source=None, extra={})
    assert hashes(moved) == hashes(a)


@given(st.integers(1, 40), st.integers(0, 3), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_samples_are_nested_and_free_of_order(n: int, seed: int, shuffle: Any) -> None:
    whole = [Case(id=f"c{i}", input=str(i), split=str(i % 3)) for i in range(40)]
    suite = Suite(id="s", cases=tuple(whole))
    shuffle.shuffle(whole)
    turned = replace(suite, cases=tuple(whole))
    small = sample(suite, n, seed=seed).suite
    assert {case.id for case in small.cases} == {
        case.id for case in sample(turned, n, seed=seed).suite.cases
    }
    more = sample(suite, min(n + 1, 40), seed=seed).suite
    assert {case.id for case in small.cases} <= {case.id for case in more.cases}
    strata = sample(suite, n, seed=seed, stratify_by="split").suite
    assert len(strata.cases) == n


def problems_of(text: Text) -> tuple[Problem, ...]:
    try:
        read_file(text)
    except SpecError as error:
        return error.problems
    return ()


@given(st.lists(texts | cases.map(lambda case: dump_lines([case])), max_size=4))
@settings(deadline=None)
def test_any_text_is_read_or_refused_with_places(lines: list[str]) -> None:
    text = "\n".join(lines)
    for name in ("x.jsonl", "x.json", "x.yaml"):
        problems = problems_of(Text(file=name, text=text))
        assert all(p.line >= 1 and p.column >= 1 for p in problems)


@given(values)
@settings(deadline=None)
def test_places_of_a_json_text_point_at_its_values(value: Any) -> None:
    text = json.dumps(value, indent=1)
    lines = text.split("\n")
    source = source_of_json(text, file="x")
    for line, column in source.places.values():
        assert lines[line - 1][column - 1] in '{["-0123456789tfn'
    for line, column in source.keys.values():
        assert lines[line - 1][column - 1] == '"'
