"""What a metric is given, what it answers, and what it says about itself.

A metric maps one response to a number or to a reason why there is none. Failures are values: a
metric never answers 0 because something broke. ``measured`` is the one place that calls a metric: it
turns an exception, a NaN, an infinity or a value outside the range into ``Unscored``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

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
    """A number over the whole suite that is not the mean of the case numbers.

    Attributes:
        submetrics: Further numbers over the suite, such as ``p95``.
    """

    value: float
    details: Mapping[str, Json] = field(default_factory=dict)
    submetrics: Mapping[str, float] = field(default_factory=dict)


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
        has_output_json: Tells an answer of ``null`` from no JSON answer.
        references: Text references; several are alternatives, empty means no reference.
        reference_json: The structured reference, or None.
        input: The case input.
        query: Text of the question, where the metric needs it.
        context: Source texts; empty when there are none.
        tools: The tool calls of the answer in their order, ``{name, arguments}`` each.
        expected_tools: The calls it should have made; None when the case says nothing.
        relevant_ids: What retrieval should have found; None when the case says nothing.
        logprobs: Natural logarithm of the probability of each token of the answer, or None.
        case: The case's fields as written, for expressions and for what an entry looks up by name.
        other: Answer of somebody else to the same question, for comparisons; None when there is none.
        response_class: ``observed``, ``target_failure`` or ``missing``.
        status: Status of the response, such as ``ok``, ``model_refusal`` or ``not_run_budget``.
        unmatched: The entry's ``extract`` found nothing, so ``output`` is empty.
    """

    output: str | None = None
    output_json: Json = None
    has_output_json: bool = False
    references: Sequence[str] = ()
    reference_json: Json = None
    has_reference_json: bool = False
    input: Json = None
    query: str | None = None
    context: Sequence[str] = ()
    choices: Sequence[str] = ()
    tools: Sequence[Mapping[str, Json]] = ()
    expected_tools: Sequence[Mapping[str, Json]] | None = None
    relevant_ids: Sequence[str] | None = None
    logprobs: Sequence[float] | None = None
    case: Mapping[str, Json] = field(default_factory=dict)
    other: str | None = None
    usage: Usage = field(default_factory=Usage)
    response_class: str = "observed"
    status: str = "ok"
    unmatched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInfo:
    """One option of a metric.

    Attributes:
        kind: ``bool``, ``int``, ``float``, ``str``, ``list`` (of texts) or ``map``; several joined
            by ``|``; ``any`` is every JSON value. An ``int`` also serves as ``float``.
        default: Used when the entry names none; None (also written by users) means unset.
        choices: Allowed texts, also inside a list; empty when any value of the kind is allowed.
        synonyms: Other spellings of the choices.
        aliases: Other names of the option.
        least: Smallest number allowed, or None.
        required: An entry without the option is refused.
    """

    kind: str
    default: Json = None
    choices: Sequence[str] = ()
    description: str = ""
    synonyms: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    least: float | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """What a metric says about itself.

    Attributes:
        version: Raised whenever any input could get another number.
        range: (lowest, highest) value; either may be infinite.
        default_threshold: Used when an entry names none; None means the metric has none.
        skewed: Declared skewed, so that intervals are BCa instead of t.
        libraries: Distributions that compute the number; their versions are in the fingerprint.
        identity: What else decides the number, such as the digest of a prompt or of weights.
        extra: Extra of pipex that installs what the metric needs; empty when nothing is missing.
        reads_case: Any field of the case may decide the number, those of no hash included.
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
    identity: Json = None
    extra: str = ""
    reads_case: bool = False


class Metric(Protocol):
    """A judgement of one response: pure, without clock, chance or network unless ``judge``.

    A class in the registry is constructed with the options of one entry, already checked against
    ``info.options`` and completed with their defaults: ``metric = Rouge(**options)``. It raises
    ``ValueError`` for a value that those checks could not see through. ``info`` of an instance may
    differ from that of its class where an option changes the range, the direction or the needs.
    """

    @property
    def info(self) -> MetricInfo:
        """What the metric says about itself under its options."""
        ...

    def score(self, item: MetricInput) -> Score:
        """The number, or why there is none. Same item, same answer, on any thread and in any order."""
        ...


class MetricType(Protocol):
    """What a name in the registry stands for: usually a class, called with checked options."""

    @property
    def info(self) -> MetricInfo:
        """The facts that hold whatever the options are, and the options themselves."""
        ...

    # Written this way, any signature with keyword options fits.
    def __call__(self, *args: Json, **options: Json) -> Metric:
        """The metric under these options."""
        ...


@runtime_checkable
class CorpusMetric(Metric, Protocol):
    """A metric that also has a value over the whole suite."""

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        """Value over all that was scored, in the given order; None when nothing was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One repeat of a case, as a metric over the repeats sees it.

    Attributes:
        item: The response; of whatever class.
        passed: Whether the repeat passed the metrics that the entry names in ``of`` (all required ones
            when it names none); None when that cannot be told.
    """

    item: MetricInput
    passed: bool | None


@runtime_checkable
class RepeatsMetric(Metric, Protocol):
    """A metric of all repeats of a case together; its level is ``repeats``."""

    @property
    def of(self) -> str | None:
        """Column whose passing the samples tell, or None for the required ones together."""
        ...

    def score_repeats(self, samples: Sequence[Sample]) -> Score:
        """The number of the case, or why there is none."""
        ...


@runtime_checkable
class PreparingMetric(Metric, Protocol):
    """A metric that is cheaper for many items together, such as one that encodes texts in batches."""

    def prepare(self, items: Sequence[MetricInput]) -> None:
        """Get ready for these items; their scores are the same without."""
        ...


def prepared(metric: Metric, items: Sequence[MetricInput]) -> None:
    """Let a metric get ready for items; what goes wrong will be said of each item by its score."""
    if isinstance(metric, PreparingMetric):
        try:
            metric.prepare(items)
        except Exception:  # noqa: BLE001 - the named edge of metrics: the score tells
            return


def measured(metric: Metric, item: MetricInput) -> Score:
    """What ``metric`` says of ``item``, held to its contract.

    An exception, a NaN, an infinity or a value outside the range is ``Unscored`` with code
    ``metric_error``; a value at most 1e-9 outside is moved to the end of the range.
    """
    try:
        return _in_range(metric.score(item), metric.info.range)
    except Exception as exc:  # noqa: BLE001 - the named edge of metrics: a failure is a value
        return _failed(exc)


def measured_repeats(metric: RepeatsMetric, samples: Sequence[Sample]) -> Score:
    """What ``metric`` says of the repeats of a case, held to the same contract."""
    try:
        return _in_range(metric.score_repeats(samples), metric.info.range)
    except Exception as exc:  # noqa: BLE001 - the named edge of metrics: a failure is a value
        return _failed(exc)


def aggregated(
    metric: CorpusMetric, items: Sequence[tuple[MetricInput, Scored]]
) -> Corpus | Unscored | None:
    """The value of ``metric`` over a suite, held to the same contract as ``measured``."""
    try:
        corpus = metric.aggregate(items)
    except Exception as exc:  # noqa: BLE001 - the named edge of metrics: a failure is a value
        return _failed(exc)
    if corpus is None:
        return None
    value = _clamped(corpus.value, metric.info.range)
    return value if isinstance(value, Unscored) else replace(corpus, value=value)


def why_no_answer(item: MetricInput) -> Unscored | None:
    """Why there is no answer to judge; None when there is one.

    A target that failed has answered badly (``no_output``); a target that was not reached is open
    (``not_run``, or ``budget``).
    """
    if item.response_class == "observed":
        return None
    if item.response_class == "target_failure":
        return Unscored(code="no_output", reason=f"the target failed ({item.status})")
    if item.status == "not_run_budget":
        return Unscored(code="budget", reason="the budget was used up before this case")
    return Unscored(code="not_run", reason=f"there is no response ({item.status})")


def best(scores: Sequence[Scored], *, lowest: bool = False) -> Scored:
    """The highest (or lowest) of the scores against alternative references, the first of equals.

    ``details.reference_index`` says which reference it was, where there are several.
    """
    if len(scores) == 1:
        return scores[0]
    pick = min if lowest else max
    at = pick(range(len(scores)), key=lambda index: scores[index].value)
    return replace(scores[at], details={**scores[at].details, "reference_index": at})


def hit(hits: Sequence[bool]) -> Scored:
    """1 if one of the comparisons with alternative references succeeded, else 0."""
    return best([_right if one else _wrong for one in hits])


def too_many_tokens(*lengths: int) -> Unscored | None:
    """Refuse sequences on which a quadratic metric would take too long."""
    longest = max(lengths)
    if longest <= most_tokens:
        return None
    reason = f"a text of {longest} tokens; this metric takes at most {most_tokens}"
    return Unscored(code="too_large", reason=reason)


slack = 1e-9  # more than any rounding of a metric, less than anything that means something
most_tokens = 20_000
_right = Scored(value=1.0)
_wrong = Scored(value=0.0)


def _failed(exc: Exception) -> Unscored:
    code = "metric_timeout" if isinstance(exc, TimeoutError) else "metric_error"
    return Unscored(code=code, reason=f"{type(exc).__name__}: {exc}")


def _clamped(value: float, limits: tuple[float, float]) -> float | Unscored:
    low, high = limits
    if not math.isfinite(value) or not low - slack <= value <= high + slack:
        reason = f"the value {value!r} is outside {low:g}..{high:g}"
        return Unscored(code="metric_error", reason=reason)
    return min(max(float(value), low), high)


def _in_range(score: object, limits: tuple[float, float]) -> Score:
    # Plug-ins are not type-checked: what they return is looked at, and numbers become floats.
    if not isinstance(score, Scored):
        return score if isinstance(score, Unscored) else _not_a_score(score)
    value = _clamped(score.value, limits)
    if isinstance(value, Unscored):
        return value
    odd = [name for name, part in score.submetrics.items() if not math.isfinite(part)]
    if odd:
        return Unscored(code="metric_error", reason=f"submetric {odd[0]!r} is not a finite number")
    same = type(score.value) is float and value == score.value
    return score if same else replace(score, value=value)


def _not_a_score(answer: object) -> Unscored:
    reason = f"the metric answered {type(answer).__name__}, neither Scored nor Unscored"
    return Unscored(code="metric_error", reason=reason)
