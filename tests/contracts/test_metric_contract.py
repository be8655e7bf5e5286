"""What every metric of the catalogue promises, on the texts that break promises.

A metric added to the catalogue is held to all of this; what it cannot do without (a pattern, choices)
stands in the table of options below.
"""

import math
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from pipex_core.app.known_metrics import shipped_metrics
from pipex_core.jsonvalue import Json, canonical
from pipex_core.metrics.catalogue import ALIASES
from pipex_core.metrics.contract import (
    CostClass,
    Direction,
    Level,
    MetricInput,
    Need,
    RepeatsMetric,
    Sample,
    Score,
    Scored,
    Unscored,
    Usage,
)
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.scoring import passed, score_item, score_samples
from tests.fakes.metrics import entry_of

required_options: dict[str, dict[str, Json]] = {
    "regex_match": {"pattern": "a+"},
    "contains_all": {"values": ["a", "b"]},
    "contains_any": {"values": ["a", "b"]},
    "banned_terms": {"terms": ["fox", "猫"]},
    "embedding_similarity": {"backend": "python", "model": "tests.fakes.vectors:letter_counts"},
    "expression": {"expr": "length(output) > 3"},
    "json_schema": {"schema": {"type": "object", "required": ["a"]}},
    "perplexity": {"corpus": ["the quick brown fox", "a lazy dog"]},
}
# A judge's number comes from its model; tests/unit/metrics/test_judge*.py hold these to the rules.
names = [
    name for name in shipped_metrics() if shipped_metrics().get(name).info.cost_class != "judge"
]
hostile = {
    "empty": "",
    "blank": " \t\n",
    "plain": "The quick brown fox jumps over 13 lazy dogs.",
    "combining marks": "cafe\u0301 Z\u0351\u036b\u0343algo\u0302",
    "right to left": "\u202b\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627\u202c",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "CJK": "東京は今日も雨です。猫が好き",
    "lone surrogate": "a\ud800b",
    "control characters": "a\x00b\x1b[0m\u2028c",
    "json": '{"a": [1, 2.5, null], "b": "x"}',
    "patterns": "(.*)[a-z]+\\d{3}$^|?*",
    "numbers": "1,234.5 -7% ½ 1e400 3/0 $9",
    "fence": "```json\n{}\n```",
    "long": "word " * 500,
}
codes = {
    "no_reference", "missing_input", "not_applicable", "no_output", "not_run", "judge_error",
    "judge_parse", "judge_abstained", "metric_error", "metric_timeout", "metric_crash", "too_large",
    "bad_reference", "budget",
}  # fmt: skip
similarities = [
    "bleu", "chrf", "embedding_similarity", "exact_match", "fuzzy_match", "hashed_similarity",
    "jaro_winkler", "length_ratio", "levenshtein", "normalized_match", "rouge", "token_f1",
]  # fmt: skip
similarities_of_words = ["list_match", "meteor"]  # a text without words is as good as none
reads_no_text = ["pass_at_k", "pass_hat_k"]
error_rates = ["cer", "ter", "wer"]


@pytest.fixture(params=names)
def entry(request: pytest.FixtureRequest) -> Entry:
    return made(request.param)


def made(name: str, **options: Json) -> Entry:
    return entry_of({"type": name, **required_options.get(name, {}), **options})


def scored(entry: Entry, item: MetricInput) -> Score:
    """What the entry says of an answer; a metric of repeats is given it twice."""
    if isinstance(entry.metric, RepeatsMetric):
        return score_samples(entry, [Sample(item=item, passed=True)] * 2)
    return score_item(entry, item)


def full(output: str, *references: str) -> MetricInput:
    """An input that has everything a metric of today may need."""
    return MetricInput(
        output=output,
        references=references,
        choices=("a", "b"),
        context=("a text",),
        query="a question",
        input="a question",
        tools=({"name": "search", "arguments": {"q": "fox"}},),
        expected_tools=({"name": "search"},),
        relevant_ids=("a", "b"),
        logprobs=(-0.5, -0.25),
        usage=Usage(latency_ms=1.5, ttft_ms=1.0, cost_usd=0.01, input_tokens=3, output_tokens=4),
    )


def test_what_a_metric_says_of_itself_is_in_the_words_of_the_contract(entry: Entry) -> None:
    info = entry.info
    assert re.fullmatch("[a-z][a-z0-9_]*", info.name)
    assert info.name == entry.type
    assert info.summary
    assert info.version >= 1
    assert info.range[0] < info.range[1]
    assert info.direction in get_args(Direction)
    assert info.cost_class in get_args(CostClass)
    assert set(info.levels) <= set(get_args(Level))
    assert info.needs <= set(get_args(Need))
    assert (
        info.default_threshold is None or info.range[0] <= info.default_threshold <= info.range[1]
    )


def test_the_defaults_of_its_options_are_valid_options(entry: Entry) -> None:
    canonical(dict(entry.document()))
    again = entry_of({"type": entry.type, "opts": dict(entry.options)})
    assert again.options == entry.options
    assert again.fingerprint == entry.fingerprint


@pytest.mark.parametrize("output", sorted(hostile))
def test_any_pair_of_texts_gives_a_number_in_range_or_a_known_reason(
    entry: Entry, output: str
) -> None:
    low, high = entry.info.range
    for reference in hostile.values():
        found = scored(entry, full(hostile[output], reference))
        if isinstance(found, Unscored):
            assert found.code in codes - {"metric_error", "metric_timeout", "metric_crash"}, found
            assert found.reason
            assert passed(entry, found) is None
            continue
        assert low <= found.value <= high
        assert type(found.value) is float
        assert math.isfinite(found.value)
        canonical(dict(found.details))
        canonical(dict(found.submetrics))


@pytest.mark.parametrize("name", [*similarities, "list_match"])
def test_a_text_equals_itself_and_so_do_two_empty_ones(name: str) -> None:
    for text in hostile.values():
        found = score_item(made(name), full(text, text))
        if isinstance(found, Unscored):
            assert (name, found.code) == ("rouge", "not_applicable")
        else:
            assert found.value == pytest.approx(1.0, abs=1e-12), text


@pytest.mark.parametrize("name", [*similarities, *similarities_of_words])
def test_one_empty_text_is_the_worst_that_a_similarity_can_be(name: str) -> None:
    for output, reference in (("", "fox"), ("fox", "")):
        found = score_item(made(name), full(output, reference))
        assert isinstance(found, Scored)
        assert found.value == 0.0


@pytest.mark.parametrize("name", error_rates)
def test_an_error_rate_is_0_for_equal_texts_and_1_where_one_is_empty(name: str) -> None:
    for output, reference, expected in (
        ("", "", 0.0),
        ("fox", "fox", 0.0),
        ("", "fox", 1.0),
        ("fox", "", 1.0),
    ):
        found = score_item(entry_of(name), full(output, reference))
        assert isinstance(found, Scored)
        assert found.value == expected, (output, reference)


@pytest.mark.parametrize("name", [*similarities, "contains", "numeric_match", "choice_match"])
def test_the_best_of_alternatives_is_no_worse_than_any_of_them(name: str) -> None:
    entry = made(name)
    texts = ["The quick fox", "the quick brown fox", "13", "a"]
    alone = [score_item(entry, full("The quick brown fox 13 a", one)) for one in texts]
    together = score_item(entry, full("The quick brown fox 13 a", *texts))
    values = [found.value for found in alone if isinstance(found, Scored)]
    assert isinstance(together, Scored)
    assert together.value >= max(values) - 1e-12


def test_without_a_reference_there_is_no_number(entry: Entry) -> None:
    found = scored(entry, full("a fox"))
    if "reference" in entry.info.needs:
        assert isinstance(found, Unscored)
        assert found.code == "no_reference"
    elif entry.type == "retrieval":
        assert isinstance(found, Unscored)
        assert found.code == "missing_input"
    else:
        assert isinstance(found, Scored)


def test_a_text_over_a_million_characters_is_too_large(entry: Entry) -> None:
    found = scored(entry, full("x" * 1_000_001, "x"))
    if entry.type in reads_no_text:
        assert isinstance(found, Scored)
    else:
        assert isinstance(found, Unscored)
        assert found.code == "too_large"


def test_the_same_answer_gets_the_same_score_on_every_thread_and_in_every_order(
    entry: Entry,
) -> None:
    items = [full(output, other) for output in hostile.values() for other in hostile.values()][::7]
    alone = [scored(entry, item) for item in items]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda item: scored(entry, item), reversed(items)))
    assert together[::-1] == alone


@pytest.mark.parametrize("name", [*similarities, "contains", "json_valid", "failure_rate"])
def test_negation_turns_the_number_around(name: str) -> None:
    entry, turned = made(name), made(name, negate=True)
    item = full("The quick brown fox 13 a", "The quick fox 13", "a")
    plain, other = score_item(entry, item), score_item(turned, item)
    assert isinstance(plain, Scored)
    assert isinstance(other, Scored)
    assert other.value == 1.0 - plain.value


def test_aliases_name_metrics_that_exist_and_take_their_options() -> None:
    known = shipped_metrics()
    for alias, of in ALIASES.items():
        assert of.metric in known, alias
        assert alias not in list(known)
        assert of.options.keys() <= known.get(of.metric).info.options.keys()


def test_naming_the_metrics_loads_no_library() -> None:
    heavy = (
        "nltk sacrebleu rapidfuzz rouge_score numpy scipy pyarrow jsonschema sqlglot torch"
        " transformers sentence_transformers wordllama"
    )
    program = (
        "import sys\n"
        "from pipex_core.metrics.catalogue import METRICS, built_in\n"
        "for name in METRICS: built_in().get(name)\n"
        f"print(' '.join(name for name in {heavy.split()!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
