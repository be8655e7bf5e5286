"""BLEU, chrF and TER as sacrebleu computes them, divided by 100."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    too_many_tokens,
)
from pipex_core.metrics.options import library_normalize_option
from pipex_core.metrics.words import normalized

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEUScore
    from sacrebleu.metrics.ter import TERScore


class Bleu:
    """Sentence BLEU with effective order, divided by 100; sacrebleu's rule for several references.

    The corpus value is corpus BLEU, from the counts that each score keeps in its details; it is not the
    mean of the sentences, which stands beside it as ``mean``.

    Source: Post 2018, https://aclanthology.org/W18-6319, as sacrebleu implements it. Two empty texts
    are worth 1, which overrides sacrebleu.
    """

    info = MetricInfo(
        name="bleu",
        summary="sentence BLEU, 0 to 1",
        needs=frozenset({"output", "reference"}),
        levels=("case", "corpus"),
        cost_class="pool",
        options={
            "n_gram": OptionInfo(kind="int", default=4, least=1, aliases=("max_ngram_order",)),
            "tokenize": OptionInfo(
                # The other tokenizers of sacrebleu download a model or need a further library.
                kind="str",
                default="13a",
                choices=("13a", "intl", "char", "zh", "none"),
            ),
            "smooth_method": OptionInfo(
                kind="str", default="exp", choices=("exp", "floor", "add-k", "none")
            ),
            "smooth_value": OptionInfo(kind="float", least=0.0),
            "lowercase": OptionInfo(kind="bool", default=False),
            "normalize": library_normalize_option,
        },
        libraries=("sacrebleu",),
    )

    def __init__(self, **options: Json) -> None:
        from sacrebleu.metrics.bleu import BLEU, BLEUSignature

        self._normalize = options.get("normalize", "none")
        smoothing = {
            "smooth_method": options.get("smooth_method", "exp"),
            "smooth_value": options.get("smooth_value"),
            "max_ngram_order": options.get("n_gram", 4),
        }
        made = {
            "lowercase": options.get("lowercase", False),
            "tokenize": options.get("tokenize", "13a"),
            "max_ngram_order": options.get("n_gram", 4),
        }
        # Smoothed counts cannot be added up, so sentences are counted without smoothing.
        self._counting = BLEU(**made, smooth_method="none", effective_order=True)
        self._compute = partial(BLEU.compute_bleu, **smoothing)
        named = vars(BLEU(**(made | smoothing)))
        self._signature: Callable[[int], str] = lambda references: str(
            BLEUSignature({**named, "num_refs": references})
        )

    def score(self, item: MetricInput) -> Score:
        output, *references = _texts(item, self._normalize)
        counted: BLEUScore = self._counting.sentence_score(output, references)
        value = self._bleu(_counts(counted), of_sentence=True)
        if _both_blank(output, references):
            value = 1.0
        return Scored(value=value, details=_counts(counted))

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        if not items:
            return None
        references = {len(item.references) for item, _ in items}
        varies = -1  # sacrebleu's word for it
        signature = self._signature(references.pop() if len(references) == 1 else varies)
        return Corpus(
            value=self._bleu(_summed([score.details for _, score in items]), of_sentence=False),
            submetrics={"mean": _mean(items)},
            details={"signature": signature},
        )

    def _bleu(self, counts: Mapping[str, Json], *, of_sentence: bool) -> float:
        done: BLEUScore = self._compute(
            correct=list(counts["counts"]),  # sacrebleu smooths the lists that it is given
            total=list(counts["totals"]),
            sys_len=counts["sys_len"],
            ref_len=counts["ref_len"],
            effective_order=of_sentence,
        )
        return float(done.score) / 100


def _counts(counted: "BLEUScore") -> Mapping[str, Json]:
    return {
        "counts": list(counted.counts),
        "totals": list(counted.totals),
        "sys_len": counted.sys_len,
        "ref_len": counted.ref_len,
    }


def _summed(counts: Sequence[Mapping[str, Json]]) -> Mapping[str, Json]:
    return {
        "counts": [sum(order) for order in zip(*(one["counts"] for one in counts), strict=True)],
        "totals": [sum(order) for order in zip(*(one["totals"] for one in counts), strict=True)],
        "sys_len": sum(one["sys_len"] for one in counts),
        "ref_len": sum(one["ref_len"] for one in counts),
    }


class Chrf:
    """chrF2 (with ``word_order: 2`` chrF++) of a sentence, divided by 100.

    The corpus value is corpus chrF; the mean of the sentences stands beside it as ``mean``. Two empty
    texts are worth 1, which overrides sacrebleu.

    Source: Popović 2015, https://aclanthology.org/W15-3049, as sacrebleu implements it.
    """

    info = MetricInfo(
        name="chrf",
        summary="chrF of characters, 0 to 1",
        needs=frozenset({"output", "reference"}),
        levels=("case", "corpus"),
        cost_class="pool",
        options={
            "char_order": OptionInfo(kind="int", default=6, least=1),
            "word_order": OptionInfo(kind="int", default=0, least=0),
            "beta": OptionInfo(kind="int", default=2, least=1),
            "normalize": library_normalize_option,
        },
        libraries=("sacrebleu",),
    )

    def __init__(
        self,
        *,
        char_order: int = 6,
        word_order: int = 0,
        beta: int = 2,
        normalize: str = "none",
    ) -> None:
        from sacrebleu.metrics.chrf import CHRF

        self._chrf = CHRF(char_order=char_order, word_order=word_order, beta=beta)
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output, *references = _texts(item, self._normalize)
        if _both_blank(output, references):
            return Scored(value=1.0)
        return Scored(value=float(self._chrf.sentence_score(output, references).score) / 100)

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        if not items:
            return None
        texts = [_texts(item, self._normalize) for item, _ in items]
        outputs = [output for output, *_ in texts]
        # One list per position; None where a case has fewer references than others.
        streams = list(zip_longest(*(references for _, *references in texts)))
        whole = self._chrf.corpus_score(outputs, streams)
        return Corpus(value=float(whole.score) / 100, submetrics={"mean": _mean(items)})


class Ter:
    """Translation edit rate: edits, shifts of phrases included, by the length of the reference.

    1 is as many edits as the reference has words, and more is possible. The corpus value is all edits by
    all lengths; the mean of the sentences stands beside it as ``mean``.

    Source: Snover 2006, https://aclanthology.org/2006.amta-papers.25, as sacrebleu implements it.
    """

    info = MetricInfo(
        name="ter",
        summary="translation edit rate, 0 is best",
        range=(0.0, math.inf),
        direction="lower",
        needs=frozenset({"output", "reference"}),
        levels=("case", "corpus"),
        cost_class="pool",
        options={
            "normalized": OptionInfo(kind="bool", default=False),
            "no_punct": OptionInfo(kind="bool", default=False),
            "case_sensitive": OptionInfo(kind="bool", default=False),
            "normalize": library_normalize_option,
        },
        skewed=True,
        libraries=("sacrebleu",),
    )

    def __init__(
        self,
        *,
        normalized: bool = False,
        no_punct: bool = False,
        case_sensitive: bool = False,
        normalize: str = "none",
    ) -> None:
        from sacrebleu.metrics.ter import TER

        self._ter = TER(normalized=normalized, no_punct=no_punct, case_sensitive=case_sensitive)
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output, *references = _texts(item, self._normalize)
        refused = too_many_tokens(*(len(text.split()) for text in (output, *references)))
        if refused is not None:
            return refused
        found: TERScore = self._ter.sentence_score(output, references)
        return Scored(
            value=float(found.score) / 100,
            details={"edits": found.num_edits, "ref_length": found.ref_length},
        )

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        if not items:
            return None
        edits = math.fsum(score.details["edits"] for _, score in items)
        length = math.fsum(score.details["ref_length"] for _, score in items)
        # As sacrebleu: any answer to empty references is 100 % wrong.
        value = edits / length if length else float(edits > 0)
        return Corpus(value=value, submetrics={"mean": _mean(items)})


def _texts(item: MetricInput, form: str) -> list[str]:
    return [normalized(text, form) for text in (item.output or "", *item.references)]


def _both_blank(output: str, references: Sequence[str]) -> bool:
    return not output.strip() and not all(one.strip() for one in references)


def _mean(items: Sequence[tuple[MetricInput, Scored]]) -> float:
    return math.fsum(score.value for _, score in items) / len(items)
