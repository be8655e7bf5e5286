"""Judgements against source texts: faithfulness of the answer, precision and recall of what was retrieved."""

import re
from collections.abc import Sequence
from typing import Final

from pipex_core.metrics.contract import MetricInfo, MetricInput, OptionInfo, Scored, Unscored
from pipex_core.metrics.judge import Judged, Opinion, judge_options
from pipex_core.metrics.judge_prompt import Template
from pipex_core.metrics.judge_reply import TextList, WordPerItem
from pipex_core.metrics.judge_single import judge_role

_sentence_end: Final = re.compile(r"(?<=[.!?。！？])\s+|\n+")  # noqa: RUF001 - ends of sentences in other scripts


class Faithfulness(Judged):
    """Share of the answer's claims that the context supports.

    The first question lists the claims, the second judges all of them against the context. Submetric
    ``contradicted``: share of claims that the context contradicts.
    """

    info = MetricInfo(
        name="faithfulness",
        summary="share of the answer's claims that the context supports",
        needs=frozenset({"output", "context", "judge"}),
        default_threshold=0.8,
        cost_class="judge",
        options={
            **judge_options,
            "max_claims": OptionInfo(
                kind="int", default=40, least=1, description="claims that are judged at most"
            ),
        },
    )
    claims = Template(
        name="faithfulness.claims",
        task=(
            f"{judge_role} List the claims of fact that the answer makes, each as one short sentence that"
            " can be understood alone. Leave out questions, greetings and opinions. An answer without"
            " claims gives an empty list. Do not judge whether the claims are true."
        ),
        shape=TextList(name="claims"),
    )
    words: Final = {
        "supported": "the context says so, or it follows from the context",
        "contradicted": "the context says otherwise",
        "unknown": "the context does not tell",
    }

    def __init__(self, *, max_claims: int = 40, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]  # the options that all judge metrics share
        self._max_claims = max_claims
        self.templates = (self.claims, self._verdicts(1))

    def opinion(self, item: MetricInput) -> Opinion:
        """Two questions; an answer without claims is ``not_applicable``."""
        output = item.output or ""
        if not output.strip():
            return _no_claims
        said = yield self.ask(self.claims, answer=output)
        # On one line each, so that no claim can pass for two.
        listed = [" ".join(claim.split()) for claim in said.listed if claim.strip()]
        claims = listed[: self._max_claims]
        if not claims:
            return _no_claims
        judged = yield self.ask(
            self._verdicts(len(claims)),
            context="\n\n".join(item.context),
            claims=numbered(claims),
        )
        supported = [word == "supported" for word in judged.listed]
        contradicted = [word == "contradicted" for word in judged.listed]
        return Scored(
            value=sum(supported) / len(claims),
            details={
                "claims": len(claims),
                "left_out": len(listed) - len(claims),
                "unsupported": [c for c, ok in zip(claims, supported, strict=True) if not ok],
            },
            submetrics={"contradicted": sum(contradicted) / len(claims)},
        )

    def _verdicts(self, count: int) -> Template:
        return Template(
            name="faithfulness.verdicts",
            task=(
                f"{judge_role} Judge each numbered claim by the context alone. What you know from"
                " elsewhere does not count."
            ),
            shape=WordPerItem(count=count, words=self.words),
        )


class ContextPrecision(Judged):
    """Average precision of the context: are the useful texts at the top?"""

    info = MetricInfo(
        name="context_precision",
        summary="average precision of the useful source texts",
        needs=frozenset({"context", "query", "judge"}),
        default_threshold=0.7,
        cost_class="judge",
        options=judge_options,
    )
    words: Final = {"yes": "useful for answering the question", "no": "not useful for that"}

    def __init__(self, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]  # the options that all judge metrics share
        self.templates = (self._useful(1),)

    def opinion(self, item: MetricInput) -> Opinion:
        """One question for all texts; the reference, where there is one, says what an answer needs."""
        known = {"reference": "\n\n".join(item.references)} if item.references else {}
        said = yield self.ask(
            self._useful(len(item.context)),
            question=item.query or "",
            **known,
            **{f"text_{number}": text for number, text in enumerate(item.context, 1)},
        )
        useful = [word == "yes" for word in said.listed]
        return Scored(value=average_precision(useful), details={"useful": useful})

    def _useful(self, count: int) -> Template:
        return Template(
            name="context_precision",
            task=(
                f"{judge_role} Judge for each numbered text whether it is useful for"
                " answering the question (for arriving at the reference, where one is shown)."
            ),
            shape=WordPerItem(count=count, words=self.words),
        )


class ContextRecall(Judged):
    """Share of the reference's sentences that the context supports."""

    info = MetricInfo(
        name="context_recall",
        summary="share of the reference's sentences that the context supports",
        needs=frozenset({"context", "reference", "judge"}),
        default_threshold=0.7,
        cost_class="judge",
        options=judge_options,
    )
    words: Final = {
        "yes": "the sentence can be attributed to the context",
        "no": "it cannot, or only in part",
    }

    def __init__(self, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]  # the options that all judge metrics share
        self.templates = (self._attributed(1),)

    def opinion(self, item: MetricInput) -> Opinion:
        """One question for all sentences of the first reference."""
        lines = sentences(item.references[0])
        if not lines:
            return Unscored(code="not_applicable", reason="the reference holds no sentence")
        said = yield self.ask(
            self._attributed(len(lines)),
            context="\n\n".join(item.context),
            sentences=numbered(lines),
        )
        found = [word == "yes" for word in said.listed]
        missed = [line for line, ok in zip(lines, found, strict=True) if not ok]
        return Scored(value=sum(found) / len(lines), details={"not_attributed": missed})

    def _attributed(self, count: int) -> Template:
        return Template(
            name="context_recall",
            task=(
                f"{judge_role} Judge for each numbered sentence whether it can be attributed to the"
                " context. What you know from elsewhere does not count."
            ),
            shape=WordPerItem(count=count, words=self.words),
        )


_no_claims: Final = Unscored(code="not_applicable", reason="the answer makes no claim")


def numbered(texts: Sequence[str]) -> str:
    """The texts with their numbers, from 1, one to a line."""
    return "\n".join(f"[{number}] {text}" for number, text in enumerate(texts, 1))


def sentences(text: str) -> list[str]:
    """The sentences of a text: cut after full stops, exclamation and question marks, and at line ends."""
    return [part.strip() for part in _sentence_end.split(text) if part.strip()]


def average_precision(useful: Sequence[bool]) -> float:
    """Mean over the useful places of the precision up to them; 0 when nothing is useful.

    Source: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, 8.4.
    """
    hits = 0
    total = 0.0
    for place, is_useful in enumerate(useful, 1):
        hits += is_useful
        total += hits / place if is_useful else 0.0
    return total / hits if hits else 0.0
