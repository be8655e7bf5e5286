"""What a metric is given, what it answers, and what it says about itself.

A metric maps one response to a number or to a reason why there is none. Failures are values: a
metric never answers 0 because something broke, and the runner turns an exception, a NaN, an
infinity or a value outside the range into ``Unscored`` with code ``metric_error``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pipex_core.jsonvalue import Json

Direction = Literal["higher", "lower", "none"]
Level = Literal["case", "repeats", "corpus"]
CostClass = Literal["inline", "pool", "judge"]
Need = Literal[
    "output",
    "output_json",
    "reference",
    "reference_json",
    "input",
    "query",
    "context",
    "choices",
    "tools",
    "expected_tools",
    "retrieved_ids",
    "relevant_ids",
    "usage",
    "logprobs",
    "repeats",
    "judge",
    "embedder",
    "scorer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A number, with what explains it.

    Attributes:
        value: Inside the metric's range, finite.
        label: A word beside the number, such as ``no_match``.
        details: JSON values for people; never read by gates.
        submetrics: Further numbers of the same computation, such as precision and recall.
    """

    value: float
    label: str | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    submetrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unscored:
    """Why there is no number; ``code`` is one of the unscored codes of the evaluation spec."""

    code: str
    reason: str


Score = Scored | Unscored


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A number over the whole suite that is not the mean of the case numbers."""

    value: float
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one response took.

    Attributes:
        latency_ms: From send to the end of the successful attempt; None when unknown.
        cost_usd: From tokens and the dated price table.
    """

    latency_ms: float | None = None
    ttft_ms: float | None = None
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInput:
    """One response and its case, as a metric sees them.

    Attributes:
        output: Text of the answer after the entry's ``extract``; None when there is none.
        output_json: The answer as a JSON value, or None.
        references: Text references; several are alternatives, empty means no reference.
        reference_json: The structured reference, or None.
        input: The case input.
        query: Text of the question, where the metric needs it.
        context: Source texts; empty when there are none.
        response_class: ``observed``, ``target_failure`` or ``missing``.
        unmatched: The entry's ``extract`` found nothing, so ``output`` is empty.
    """

    output: str | None = None
    output_json: Json = None
    references: Sequence[str] = ()
    reference_json: Json = None
    has_reference_json: bool = False
    input: Json = None
    query: str | None = None
    context: Sequence[str] = ()
    choices: Sequence[str] = ()
    usage: Usage = field(default_factory=Usage)
    response_class: str = "observed"
    unmatched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInfo:
    """One option of a metric.

    Attributes:
        kind: ``bool``, ``int``, ``float``, ``str``, ``list`` or ``map``.
        choices: Allowed values; empty when any value of the kind is.
    """

    kind: str
    default: Json = None
    choices: Sequence[str] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """What a metric says about itself.

    Attributes:
        version: Raised whenever any input could get another number.
        range: (lowest, highest) value; either may be infinite.
        default_threshold: Used when an entry names none; None means the metric has none.
        skewed: Declared skewed, so that intervals are BCa instead of t.
        libraries: Distributions whose version is part of the fingerprint.
    """

    name: str
    summary: str
    version: int = 1
    range: tuple[float, float] = (0.0, 1.0)
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset()
    default_threshold: float | None = None
    levels: tuple[Level, ...] = ("case",)
    cost_class: CostClass = "inline"
    options: Mapping[str, OptionInfo] = field(default_factory=dict)
    skewed: bool = False
    libraries: tuple[str, ...] = ()


class Metric(Protocol):
    """A judgement of one response: pure, without clock, chance or network unless ``judge``.

    A class in the registry is constructed with the options of one entry, already checked against
    ``info.options`` and completed with their defaults: ``metric = Rouge(**options)``.
    """

    info: MetricInfo

    def score(self, item: MetricInput) -> Score:
        """The number, or why there is none. Same item, same answer, on any thread and in any order."""
        ...


class CorpusMetric(Metric, Protocol):
    """A metric that also has a value over the whole suite."""

    def aggregate(self, items: Sequence[tuple[MetricInput, Score]]) -> Corpus | None:
        """Value over all scored items, in the given order; None when there is nothing to aggregate."""
        ...
