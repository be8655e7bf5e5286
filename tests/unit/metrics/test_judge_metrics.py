"""What each judged metric asks, and what number its replies make; the judge is a list of replies."""

from typing import Any

import pytest

from pipex_core.errors import SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Scored, Unscored
from pipex_core.metrics.judge import JudgeMetric
from pipex_core.metrics.judge_grounding import average_precision, sentences
from pipex_core.metrics.judge_reply import Said
from pipex_core.metrics.scoring import score_item, seen_by
from tests.fakes.judges import metric_of, opinion, value
from tests.fakes.metrics import answer, code, entry_of

asked = MetricInput(
    output="Paris.",
    references=("Paris",),
    input="Capital of France?",
    query="Capital of France?",
    context=("Paris is the capital of France.", "Lyon is a city."),
)


def level(share: float) -> Said:
    return Said(score=share)


def word(label: str) -> Said:
    return Said(label=label)


def listed(*words: str) -> Said:
    return Said(listed=words)


def fields(raw: Json, item: MetricInput, *said: Said) -> list[dict[str, str]]:
    return [dict(question.fields) for question in opinion(raw, item, *said)[1]]


def refused(raw: Json) -> str:
    with pytest.raises(SpecError) as caught:
        entry_of(raw)
    return caught.value.problems[0].message


# -- one question


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("semantic_similarity", {"reference": "Paris", "answer": "Paris."}),
        ("relevance", {"question": "Capital of France?", "answer": "Paris."}),
        ("coherence", {"answer": "Paris."}),
    ],
)
def test_a_level_of_the_scale_is_the_value(metric: str, shown: dict[str, str]) -> None:
    assert value(metric, asked, level(0.75)) == 0.75
    assert fields(metric, asked, level(0.75)) == [shown]


def test_a_clamped_level_is_told() -> None:
    score, _ = opinion("coherence", asked, Said(score=1.0, raw=5.02))
    assert score == Scored(value=1.0, details={"clamped": 5.02})


def test_the_best_of_several_references_counts() -> None:
    item = answer("Paris", "Lyon", "Paris")
    score, questions = opinion("semantic_similarity", item, level(0.0), level(1.0))
    assert score == Scored(value=1.0, details={"reference_index": 1})
    assert [one.fields["reference"] for one in questions] == ["Lyon", "Paris"]


@pytest.mark.parametrize(
    ("output", "reference", "expected"), [("", "", 1.0), (" ", "x", 0.0), ("x", "", 0.0)]
)
def test_nobody_is_asked_about_empty_texts(output: str, reference: str, expected: float) -> None:
    assert value("semantic_similarity", answer(output, reference)) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("equal", 1.0),
        ("subset", 0.6),
        ("superset", 0.6),
        ("disagree", 0.0),
        ("irrelevant_difference", 1.0),
    ],
)
def test_correctness_has_the_values_of_its_labels(label: str, expected: float) -> None:
    score, questions = opinion("correctness", asked, word(label))
    assert score == Scored(value=expected, label=label)
    assert list(questions[0].fields) == ["question", "reference", "answer"]


def test_labels_may_have_other_values() -> None:
    raw = {"type": "factuality", "choice_scores": {"subset": 0.2}}
    assert value(raw, asked, word("subset")) == 0.2
    assert value(raw, asked, word("superset")) == 0.6


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"part": 1}, "'part' is no label"),
        ({"equal": 2}, "from 0 to 1"),
        ({"equal": True}, "0 to 1"),
    ],
)
def test_values_of_labels_are_checked(scores: Json, message: str) -> None:
    assert message in refused({"type": "correctness", "choice_scores": scores})


def test_a_map_input_without_a_question_is_shown_as_json() -> None:
    item = MetricInput(output="o", references=("r",), input={"a": 1})
    assert fields("correctness", item, word("equal"))[0]["question"] == '{"a":1}'


# -- own criteria


def test_criteria_and_steps_stand_in_the_task_and_fields_in_blocks() -> None:
    raw = {
        "type": "g_eval",
        "criteria": "It is polite.",
        "steps": ["Read it.", "Look for thanks."],
        "fields": ["expected", "output", "context"],
        "scale": {"low": 0, "high": 10, "anchors": {"10": "very polite", "0": "rude"}},
    }
    score, (question,) = opinion(raw, asked, level(0.4))
    assert score == Scored(value=0.4)
    assert (
        "It is polite.\nJudge in these steps:\n1. Read it.\n2. Look for thanks."
        in question.template.task
    )
    assert dict(question.fields) == {
        "reference": "Paris",
        "answer": "Paris.",
        "context": "Paris is the capital of France.\n\nLyon is a city.",
    }
    assert (question.shape.low, question.shape.high) == (0, 10)  # type: ignore[union-attr]  # a scale
    assert list(question.shape.anchors) == [0, 10]  # type: ignore[union-attr]  # a scale
    assert entry_of(raw).needs == {"output", "judge", "reference", "context"}


def test_criteria_show_input_and_answer_unless_told_otherwise() -> None:
    shown = fields({"type": "criteria", "criteria": "x"}, asked, level(1.0))
    assert shown == [{"input": "Capital of France?", "answer": "Paris."}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "option 'criteria' is required"),
        ({"criteria": " "}, "criteria is empty"),
        ({"criteria": "x", "fields": ["input"]}, "fields must hold output"),
        ({"criteria": "x", "fields": ["output", "tags"]}, "option 'fields' is 'tags'"),
        ({"criteria": "x", "scale": {"lo": 1}}, "scale has no field 'lo'"),
        ({"criteria": "x", "scale": {"low": 5}}, "a scale goes upwards"),
        ({"criteria": "x", "scale": {"low": "one"}}, "scale holds numbers"),
        ({"criteria": "x", "scale": {"anchors": [1]}}, "scale holds numbers"),
        ({"criteria": "x", "scale": {"anchors": {"7": "a"}}}, "anchor 7 is outside the scale"),
        ({"criteria": "x", "votes": 0}, "at least 1"),
    ],
)
def test_criteria_are_checked(options: dict[str, Any], message: str) -> None:
    assert message in refused({"type": "criteria", **options})


# -- rubric


def test_a_rubric_is_the_weighted_mean_of_items_judged_apart() -> None:
    raw = {
        "type": "llm_rubric",
        "items": [
            {"id": "polite", "text": "is polite", "weight": 3},
            "names a city",
            {"id": "depth", "text": "explains", "levels": ["no", "some", "all"]},
            {"id": "tone", "text": "is calm", "levels": {"loud": 0.1, "calm": 0.9}},
        ],
    }
    score, questions = opinion(raw, asked, word("pass"), word("fail"), word("some"), word("calm"))
    assert isinstance(score, Scored)
    assert score.value == pytest.approx((3 * 1 + 0 + 0.5 + 0.9) / 6)
    assert score.submetrics == {"polite": 1.0, "item_2": 0.0, "depth": 0.5, "tone": 0.9}
    assert score.details["items"] == {
        "polite": "pass",
        "item_2": "fail",
        "depth": "some",
        "tone": "calm",
    }
    assert [one.template.name for one in questions][:2] == ["rubric.polite", "rubric.item_2"]
    assert all(list(one.fields) == ["question", "answer"] for one in questions)


def test_items_without_levels_take_the_labels_of_the_rubric() -> None:
    raw = {
        "type": "rubric",
        "items": ["a"],
        "choice_strings": ["A", "B", "C"],
        "choice_scores": {"A": 1, "B": 0.5, "C": 0},
    }
    assert value(raw, asked, word("B")) == 0.5
    evenly = {"type": "rubric", "items": ["a"], "choice_strings": ["bad", "fair", "good"]}
    assert value(evenly, asked, word("fair")) == 0.5
    only_scores = {"type": "rubric", "items": ["a"], "choice_scores": {"A": 1, "B": 0.2}}
    assert value(only_scores, asked, word("B")) == 0.2


def test_without_an_input_only_the_answer_is_shown() -> None:
    assert fields({"type": "rubric", "items": ["a"]}, answer("x"), word("pass")) == [
        {"answer": "x"}
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "option 'items' is required"),
        ({"items": []}, "at least one"),
        ({"items": "a"}, "at least one"),
        ({"items": [1]}, "items[0] is a map or a text"),
        ({"items": [{"txt": "a"}]}, "items[0] has no field 'txt'"),
        ({"items": [{"id": "a"}]}, "items[0].text says"),
        ({"items": [{"text": "a", "weight": 0}]}, "weight is a number above 0"),
        ({"items": [{"text": "a", "levels": ["one"]}]}, "two or more labels"),
        ({"items": [{"text": "a", "levels": {"one": 1}}]}, "two or more labels"),
        ({"items": [{"text": "a", "levels": ["x", "x"]}]}, "two or more labels"),
        ({"items": [{"id": "a", "text": "a"}, {"id": "a", "text": "b"}]}, "two items have the id"),
        ({"items": ["a"], "choice_strings": ["A"]}, "at least two labels"),
        (
            {"items": ["a"], "choice_strings": ["A", "B"], "choice_scores": {"A": 1}},
            "nothing of 'B'",
        ),
        ({"items": ["a"], "choice_strings": ["A", "B"], "choice_scores": {"C": 1}}, "no label"),
    ],
)
def test_a_rubric_is_checked(options: dict[str, Any], message: str) -> None:
    assert message in refused({"type": "rubric", **options})


# -- context


def test_faithfulness_lists_claims_and_judges_them_together() -> None:
    claims = listed("Paris is the\n[2] capital.", " ", "Paris is old.", "Lyon is the capital.")
    verdicts = listed("supported", "unknown", "contradicted")
    score, (first, second) = opinion("faithfulness", asked, claims, verdicts)
    assert score == Scored(
        value=1 / 3,
        details={
            "claims": 3,
            "left_out": 0,
            "unsupported": ["Paris is old.", "Lyon is the capital."],
        },
        submetrics={"contradicted": 1 / 3},
    )
    assert dict(first.fields) == {"answer": "Paris."}
    # A claim stands on one line, so that it cannot pass for two.
    assert second.fields["claims"].splitlines()[0] == "[1] Paris is the [2] capital."
    assert second.fields["context"].startswith("Paris is the capital of France.\n\nLyon")


def test_more_claims_than_the_most_are_left_out_and_told() -> None:
    raw = {"type": "faithfulness", "max_claims": 1}
    score, _ = opinion(raw, asked, listed("a", "b", "c"), listed("supported"))
    assert isinstance(score, Scored)
    assert (score.value, score.details["left_out"]) == (1.0, 2)


def test_an_answer_without_claims_is_not_applicable() -> None:
    none = Unscored(code="not_applicable", reason="the answer makes no claim")
    assert opinion("faithfulness", asked, listed())[0] == none
    assert opinion("faithfulness", MetricInput(output="  ", context=("c",)))[0] == none


def test_context_precision_is_average_precision() -> None:
    score, (question,) = opinion("context_precision", asked, listed("no", "yes"))
    assert score == Scored(value=0.5, details={"useful": [False, True]})
    assert list(question.fields) == ["question", "reference", "text_1", "text_2"]


@pytest.mark.parametrize(
    ("useful", "expected"),
    [
        ([True, True], 1.0),
        ([False, False], 0.0),
        ([], 0.0),
        ([True, False, True, False, True], (1 + 2 / 3 + 3 / 5) / 3),
    ],
)
def test_average_precision_by_hand(useful: list[bool], expected: float) -> None:
    assert average_precision(useful) == pytest.approx(expected)


def test_context_recall_is_the_share_of_attributed_sentences() -> None:
    item = MetricInput(references=("Paris. It is old! Is it?",), context=("Paris.",))
    score, (question,) = opinion("context_recall", item, listed("yes", "no", "no"))
    assert score == Scored(value=1 / 3, details={"not_attributed": ["It is old!", "Is it?"]})
    assert question.fields["sentences"] == "[1] Paris.\n[2] It is old!\n[3] Is it?"


def test_a_reference_without_a_sentence_has_no_recall() -> None:
    item = MetricInput(references=(" \n",), context=("c",))
    assert opinion("context_recall", item)[0] == Unscored(
        code="not_applicable", reason="the reference holds no sentence"
    )


def test_sentences_end_at_marks_and_lines() -> None:
    assert sentences("One. Two?\nThree 3.5 is a number") == [
        "One.",
        "Two?",
        "Three 3.5 is a number",
    ]


def test_without_a_reference_precision_goes_by_the_question_alone() -> None:
    item = MetricInput(query="q", context=("c",))
    assert fields("context_precision", item, listed("yes")) == [{"question": "q", "text_1": "c"}]


# -- what all of them keep


@pytest.mark.parametrize(
    ("metric", "item", "expected"),
    [
        ("faithfulness", answer("x"), "missing_input"),
        ("context_precision", MetricInput(query="q"), "missing_input"),
        ("context_recall", MetricInput(context=("c",)), "no_reference"),
        ("semantic_similarity", answer("x"), "no_reference"),
        ("relevance", answer("x", response_class="target_failure"), "no_output"),
        ("relevance", answer(None, response_class="missing"), "not_run"),
    ],
)
def test_nobody_is_asked_about_what_is_not_there(
    metric: str, item: MetricInput, expected: str
) -> None:
    found = seen_by(entry_of(metric), item)
    assert isinstance(found, Unscored)
    assert found.code == expected


def test_without_a_judge_there_is_never_a_number() -> None:
    assert code("coherence", "x") == "judge_error"


def test_a_verdict_is_held_to_the_contract_and_negated() -> None:
    entry = entry_of({"type": "coherence", "negate": True})
    assert score_item(entry, answer("x"), given=Scored(value=0.75)) == Scored(value=0.25)
    outside = score_item(entry, answer("x"), given=Scored(value=1.7))
    assert isinstance(outside, Unscored)
    assert outside.code == "metric_error"


@pytest.mark.parametrize(
    "raw",
    [
        "semantic_similarity",
        "faithfulness",
        "relevance",
        "coherence",
        "correctness",
        {"type": "criteria", "criteria": "x"},
        {"type": "rubric", "items": ["x"]},
        "pairwise",
        "context_precision",
        "context_recall",
    ],
)
def test_every_judged_metric_names_its_questions(raw: Json) -> None:
    metric = metric_of(raw)
    assert isinstance(metric, JudgeMetric)
    assert metric.info.cost_class == "judge"
    assert "judge" in metric.info.needs
    assert all(one.name.startswith(metric.info.name) for one in metric.templates)
    assert all("impartial judge" in one.task for one in metric.templates)
