"""ROUGE as rouge-score computes it, on a kernel of our own."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipex_core.metrics import stemming
from pipex_core.metrics.contract import (
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
from pipex_core.metrics.words import normalized, rouge_words, stemmed, unicode_words


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
        identity={"stemmer": stemming.version},
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
        self._use_stemmer = use_stemmer

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
        return stemmed(words) if self._use_stemmer else words


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
