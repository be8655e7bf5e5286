"""Judgements that take one question: sameness of meaning, relevance, coherence, correctness, own criteria."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from pipex_core.expressions.values import to_text
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInfo, MetricInput, Need, OptionInfo, Scored, best
from pipex_core.metrics.judge import Combine, Judged, Opinion, judge_options
from pipex_core.metrics.judge_prompt import Template
from pipex_core.metrics.judge_reply import OneOf, OnScale, Said

judge_role: Final = "You are an impartial judge of answers given by another system."


class SemanticSimilarity(Judged):
    """Does the answer mean what the reference means?"""

    info = MetricInfo(
        name="semantic_similarity",
        summary="judged sameness of meaning",
        needs=frozenset({"output", "reference", "judge"}),
        default_threshold=0.7,
        cost_class="judge",
        options=judge_options,
    )
    template = Template(
        name="semantic_similarity",
        task=(
            f"{judge_role} Judge how far the answer means the same as the reference. Wording, order and"
            " length do not matter; facts that are added, missing or changed do."
        ),
        shape=OnScale(
            anchors={
                1: "another meaning, or a contradiction",
                2: "a few points in common, most differ",
                3: "about half of the meaning is the same",
                4: "the same but for details",
                5: "the same meaning",
            }
        ),
    )
    templates = (template,)

    def opinion(self, item: MetricInput) -> Opinion:
        """One question per alternative reference, the best of which counts."""
        output = item.output or ""
        found = []
        for reference in item.references:
            if not (output.strip() and reference.strip()):
                # Two empty texts mean the same and an empty one means nothing: nobody has to be asked.
                found.append(Scored(value=float(not output.strip() and not reference.strip())))
                continue
            said = yield self.ask(self.template, reference=reference, answer=output)
            found.append(_of_scale(said))
        return best(found)


class Relevance(Judged):
    """Does the answer answer the question?"""

    info = MetricInfo(
        name="relevance",
        summary="judged answer to the query",
        needs=frozenset({"output", "query", "judge"}),
        default_threshold=0.7,
        cost_class="judge",
        options=judge_options,
    )
    template = Template(
        name="relevance",
        task=(
            f"{judge_role} Judge how well the answer addresses the question. Whether it is true is not"
            " asked; whether it is about what was asked, and complete, is."
        ),
        shape=OnScale(
            anchors={
                1: "does not address the question",
                2: "touches the question, most is beside it",
                3: "addresses a part of the question",
                4: "addresses the question with small gaps or asides",
                5: "addresses the whole question and nothing else",
            }
        ),
    )
    templates = (template,)

    def opinion(self, item: MetricInput) -> Opinion:
        """One question."""
        said = yield self.ask(self.template, question=item.query or "", answer=item.output or "")
        return _of_scale(said)


class Coherence(Judged):
    """Is the answer well made in itself?"""

    info = MetricInfo(
        name="coherence",
        summary="judged structure, consistency and clarity",
        needs=frozenset({"output", "judge"}),
        default_threshold=0.7,
        cost_class="judge",
        options=judge_options,
    )
    template = Template(
        name="coherence",
        task=(
            f"{judge_role} Judge how coherent the answer is in itself: its structure, whether it is free"
            " of contradictions, and how clear it is. Whether it is true or useful is not asked."
        ),
        shape=OnScale(
            anchors={
                1: "cannot be followed, or contradicts itself throughout",
                2: "hard to follow, or contradicts itself in a main point",
                3: "can be followed with effort",
                4: "clear and consistent but for details",
                5: "clear, consistent and well structured",
            }
        ),
    )
    templates = (template,)

    def opinion(self, item: MetricInput) -> Opinion:
        """One question."""
        said = yield self.ask(self.template, answer=item.output or "")
        return _of_scale(said)


class Correctness(Judged):
    """How do the facts of the answer relate to those of the reference?"""

    choices: Final = {
        "equal": "the answer says the same as the reference",
        "subset": "the answer says a part of the reference, and nothing that contradicts it",
        "superset": "the answer says all of the reference and more, and nothing that contradicts it",
        "disagree": "the answer contradicts the reference",
        "irrelevant_difference": "the answer differs in ways that do not matter for what was asked",
    }
    scores: Final = {
        "equal": 1.0,
        "subset": 0.6,
        "superset": 0.6,
        "disagree": 0.0,
        "irrelevant_difference": 1.0,
    }
    info = MetricInfo(
        name="correctness",
        summary="judged relation of the facts to those of the reference",
        needs=frozenset({"output", "reference", "input", "judge"}),
        default_threshold=0.6,
        cost_class="judge",
        options={
            **judge_options,
            "choice_scores": OptionInfo(kind="map", description="label to its value in 0..1"),
        },
    )
    template = Template(
        name="correctness",
        task=(
            f"{judge_role} Compare the facts of the answer with those of the reference, given the"
            " question. Differences of style, grammar and punctuation do not matter."
        ),
        shape=OneOf(labels=choices),
    )
    templates = (template,)
    combine: Combine = "label"

    def __init__(self, *, choice_scores: Json = None, **rest: Json) -> None:
        super().__init__(**rest)
        self._scores = {**self.scores, **label_scores(choice_scores or {}, known=self.choices)}

    def opinion(self, item: MetricInput) -> Opinion:
        """One question per alternative reference, the best of which counts."""
        found = []
        for reference in item.references:
            said = yield self.ask(
                self.template,
                question=text_of_input(item),
                reference=reference,
                answer=item.output or "",
            )
            label = said.label or ""
            found.append(Scored(value=self._scores[label], label=label))
        return best(found)


class Criteria(Judged):
    """Does the answer meet criteria in the user's own words?"""

    known_fields: Final[Mapping[str, Need]] = {
        "input": "input",
        "output": "output",
        "reference": "reference",
        "context": "context",
    }
    info = MetricInfo(
        name="criteria",
        summary="judged by criteria in your own words",
        needs=frozenset({"output", "judge"}),
        default_threshold=0.7,
        cost_class="judge",
        options={
            **judge_options,
            "criteria": OptionInfo(
                kind="str", required=True, description="what a good answer does"
            ),
            "steps": OptionInfo(kind="list", default=(), description="how to judge, step by step"),
            "fields": OptionInfo(
                kind="list",
                default=("input", "output"),
                choices=tuple(known_fields),
                synonyms={
                    "expected": "reference",
                    "expected_output": "reference",
                    "query": "input",
                },
                description="what the judge is shown",
            ),
            "scale": OptionInfo(
                kind="map", description="`{low, high, anchors}`; 1 to 5 when left out"
            ),
        },
    )

    def __init__(
        self,
        *,
        criteria: str,
        steps: Sequence[str] = (),
        fields: Sequence[str] = ("input", "output"),
        scale: Json = None,
        **rest: Json,
    ) -> None:
        super().__init__(**rest)
        if not criteria.strip():
            raise ValueError("criteria is empty: say what a good answer does")
        if "output" not in fields:
            raise ValueError("fields must hold output: there is nothing else to judge")
        self._fields = tuple(fields)
        shown = frozenset(self.known_fields[name] for name in fields)
        self.info = replace(type(self).info, needs=type(self).info.needs | shown)
        numbered = [f"{number}. {step}" for number, step in enumerate(steps, 1)]
        how = ["Judge in these steps:", *numbered] if steps else []
        self.template = Template(
            name="criteria",
            task="\n".join([f"{judge_role} Judge by these criteria:", criteria.strip(), *how]),
            shape=scale_of(scale),
        )
        self.templates = (self.template,)

    def opinion(self, item: MetricInput) -> Opinion:
        """One question."""
        texts = {
            "input": text_of_input(item),
            "output": item.output or "",
            "reference": "\n\n".join(item.references),
            "context": "\n\n".join(item.context),
        }
        shown = {"answer" if name == "output" else name: texts[name] for name in self._fields}
        said = yield self.ask(self.template, **shown)
        return _of_scale(said)


def scale_of(raw: Json) -> OnScale:
    """A scale as users write it: ``{low, high, anchors}``; from 1 to 5 when they write none.

    Raises:
        ValueError: It is no scale that goes upwards, or an anchor lies outside.
    """
    if raw is None:
        return OnScale(anchors={1: "does not meet the criteria", 5: "meets them fully"})
    strange = sorted(set(raw) - {"low", "high", "anchors"})
    if strange:
        raise ValueError(f"scale has no field {strange[0]!r}; it has low, high and anchors")
    try:
        low, high = float(raw.get("low", 1)), float(raw.get("high", 5))
        anchors = {
            float(level): to_text(text) for level, text in (raw.get("anchors") or {}).items()
        }
    except (TypeError, ValueError, AttributeError) as exc:
        raise ValueError(
            "scale holds numbers: {low: 1, high: 5, anchors: {1: ..., 5: ...}}"
        ) from exc
    scale = OnScale(low=low, high=high, anchors=dict(sorted(anchors.items())))
    outside = [level for level in anchors if not low <= level <= high]
    if outside:
        raise ValueError(f"the anchor {outside[0]:g} is outside the scale {low:g} to {high:g}")
    return scale


def label_scores(raw: Mapping[str, Json], *, known: Mapping[str, str] | None) -> dict[str, float]:
    """Label to value as users write it.

    Args:
        raw: As written.
        known: The labels that there are; None when ``raw`` says which.

    Raises:
        ValueError: A label that is not there, or a value outside 0..1.
    """
    for label, value in raw.items():
        if known is not None and label not in known:
            raise ValueError(f"{label!r} is no label; the labels are {', '.join(known)}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:
            raise ValueError(f"the score of {label!r} is a number from 0 to 1, got {value!r}")
    return {label: float(value) for label, value in raw.items()}


def text_of_input(item: MetricInput) -> str:
    """The question, or the whole input as JSON where no field of it is one."""
    return item.query if item.query is not None else to_text(item.input)


def _of_scale(said: Said) -> Scored:
    details: dict[str, Json] = {} if said.raw is None else {"clamped": said.raw}
    return Scored(value=said.score or 0.0, details=details)
