"""Overlap of n-grams: BLEU by sacrebleu, ROUGE as rouge-score computes it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    best,
    too_many_tokens,
)
from pipex_core.metrics.options import library_normalize_option
from pipex_core.metrics.overlap import Overlap, shared_ngrams, shared_sentences, shared_sequence
from pipex_core.metrics.words import normalized, rouge_words, stemmer, unicode_words

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEUScore


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
        output, *references = (
            normalized(text, self._normalize) for text in (item.output or "", *item.references)
        )
        counted: BLEUScore = self._counting.sentence_score(output, references)
        value = self._bleu(_counts(counted), of_sentence=True)
        if not output.strip() and not all(one.strip() for one in references):
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
            submetrics={"mean": math.fsum(score.value for _, score in items) / len(items)},
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


class Rouge:
    """F-measure (or precision, or recall) of ROUGE-N, ROUGE-L or ROUGE-Lsum, as rouge-score computes it.

    Lsum takes each line as a sentence. With several types the value is that of the first, and each
    type is a submetric; with one type precision and recall are. Of alternative references the best
    value counts, for each type by itself.

    The words of rouge-score are runs of ``a-z`` and ``0-9``: a reference that has none is
    ``not_applicable``, and ``tokenizer: unicode`` reads it. Two blank texts are worth 1.

    Source: Lin 2004, https://aclanthology.org/W04-1013; rouge-score 0.1.2.
    """

    info = MetricInfo(
        name="rouge",
        summary="ROUGE, 0 to 1",
        needs=frozenset({"output", "reference"}),
        cost_class="pool",
        options={
            "rouge_type": OptionInfo(
                kind="str|list",
                default="rougeL",
                choices=(*(f"rouge{n}" for n in range(1, 10)), "rougeL", "rougeLsum"),
                synonyms={
                    **{f"rouge-{n}": f"rouge{n}" for n in range(1, 10)},
                    "rouge-l": "rougeL",
                    "rouge-L": "rougeL",
                    "rougel": "rougeL",
                    "rouge-lsum": "rougeLsum",
                    "rouge-Lsum": "rougeLsum",
                    "rougelsum": "rougeLsum",
                },
            ),
            "use_stemmer": OptionInfo(kind="bool", default=True),
            "field": OptionInfo(
                kind="str",
                default="f",
                choices=("f", "p", "r"),
                synonyms={"fmeasure": "f", "precision": "p", "recall": "r"},
            ),
            "tokenizer": OptionInfo(kind="str", default="rouge", choices=("rouge", "unicode")),
            "normalize": library_normalize_option,
        },
        libraries=("nltk",),  # its stemmer; the rest is ours
    )

    def __init__(
        self,
        *,
        rouge_type: str | Sequence[str] = "rougeL",
        use_stemmer: bool = True,
        field: str = "f",
        tokenizer: str = "rouge",
        normalize: str = "none",
    ) -> None:
        self._types = (rouge_type,) if isinstance(rouge_type, str) else tuple(rouge_type)
        if not self._types:
            raise ValueError("rouge_type names no type")
        self._kernels = {kind: _kernel(kind) for kind in self._types}
        self._quadratic = any(kind.startswith("rougeL") for kind in self._types)
        self._field = field
        self._split = rouge_words if tokenizer == "rouge" else unicode_words
        self._normalize = normalize
        self._stems = stemmer() if use_stemmer else None

    def score(self, item: MetricInput) -> Score:
        output, *references = (
            _Text(normalized(text, self._normalize), self._words)
            for text in (item.output or "", *item.references)
        )
        wordless = [not one.words and not one.blank for one in references]
        if all(wordless):
            hint = "the reference has no word that ROUGE reads; set tokenizer: unicode"
            return Unscored(code="not_applicable", reason=hint)
        if self._quadratic:
            refused = too_many_tokens(*(len(text.words) for text in (output, *references)))
            if refused is not None:
                return refused
        scores = {
            kind: best([self._one(kernel, output, one) for one in references])
            for kind, kernel in self._kernels.items()
        }
        first = scores[self._types[0]]
        if len(scores) == 1:
            return first
        parts = {kind: score.value for kind, score in scores.items()}
        return replace(first, submetrics=parts)

    def _one(self, kernel: "_Kernel", output: "_Text", reference: "_Text") -> Scored:
        both_blank = output.blank and reference.blank
        found = Overlap(1.0, 1.0) if both_blank else kernel(reference, output)
        values = {"f": found.f_measure, "p": found.precision, "r": found.recall}
        return Scored(
            value=values[self._field],
            submetrics={"precision": found.precision, "recall": found.recall},
        )

    def _words(self, text: str) -> list[str]:
        words = self._split(text)
        return words if self._stems is None else self._stems(words)


class _Text:
    """A text with its words, and with the words of its lines when somebody asks."""

    def __init__(self, text: str, words_of: Callable[[str], list[str]]) -> None:
        self._text = text
        self._words_of = words_of
        self.words = words_of(text)
        self.blank = not text.strip()

    def lines(self) -> list[list[str]]:
        return [self._words_of(line) for line in self._text.split("\n") if line]


_Kernel = Callable[[_Text, _Text], Overlap]


def _kernel(kind: str) -> _Kernel:
    match kind:
        case "rougeL":
            return lambda reference, output: shared_sequence(reference.words, output.words)
        case "rougeLsum":
            return lambda reference, output: shared_sentences(reference.lines(), output.lines())
        case _:
            n = int(kind.removeprefix("rouge"))
            return lambda reference, output: shared_ngrams(reference.words, output.words, n=n)
