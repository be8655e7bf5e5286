"""A gate as values: rules with kinds and limits, read from the data of a gate file or a suite.

What a rule means is decided in ``gate``; here stands what may be written, and every problem of a gate
is found before anything runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

from pipex_core.errors import Problem, SpecError
from pipex_core.evals.fields import (
    Reader,
    Wrong,
    flag,
    list_of,
    mapping,
    number,
    one_of,
    optional,
    read_map,
    text_of,
    whole,
)
from pipex_core.jsonvalue import Json, digest
from pipex_core.spec.model import Finding, SourceMap

Kind = Literal[
    "threshold", "noninferiority", "superiority", "equivalence", "regression_pct", "coverage"
]
Tier = Literal["critical", "supporting", "advisory"]
Stat = Literal["mean", "pass_rate", "median", "p5", "p25", "p75", "p90", "p95", "p99"]
Bound = Literal["ci", "point"]
FailOn = Literal["regression", "margin"]

schema_name: Final = "pipex.gate/1"
percentiles: Final = frozenset({"median", "p5", "p25", "p75", "p90", "p95", "p99"})
paired_kinds: Final = frozenset({"noninferiority", "superiority", "equivalence", "regression_pct"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One demand on one metric.

    Attributes:
        metric: A metric of the run, or a name of the whole suite such as ``pass_rate``,
            ``<metric>_mean``, ``<metric>_p95`` or ``cost_per_case``.
        value: Of ``threshold``, in the unit of the metric.
        margin: Of ``noninferiority`` and ``equivalence``, in the unit of the metric; positive.
        min_gain: Of ``superiority``, not negative.
        drop: Of ``regression_pct``, percent of the baseline's mean.
        min: Of ``coverage``, share of cases with a score.
        bound: Whether an interval or the number itself is compared; None means what suits the
            number: an interval for means and rates of cases, the number for all else.
        slices: ``tags``, ``split``, ``cluster`` or paths of metadata; each value is a demand of
            its own, beside the one on all cases.
        min_pairs: Overrides the gate's.
    """

    id: str
    metric: str
    kind: Kind
    tier: Tier = "critical"
    stat: Stat = "mean"
    bound: Bound | None = None
    value: float | None = None
    margin: float | None = None
    fail_on: FailOn = "regression"
    min_gain: float = 0.0
    drop: float = 5.0
    min: float = 0.95
    slices: tuple[str, ...] = ()
    min_pairs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Rules with what they share.

    Attributes:
        baseline: Name of a baseline, id of a run, or None.
        alpha: Error allowed to a PASS of each rule and to the FAIL of all together.
        power: Chance wanted of seeing a difference, for the numbers that say what would tell.
        max_missing: Share of missing cases up to which the others decide; 0 when ``strict``.
        min_pairs: Fewest cases that decide; None takes 20 for pass flags and 50 for other numbers.
        min_slice: Fewest cases of a slice that is gated.
        require_certificate: A judge without a valid certificate cannot gate.
        promotion: ``on`` (``pass`` or ``superiority``) and ``actor``: a run with such a verdict
            becomes the champion by itself. None leaves that to people.
    """

    rules: tuple[Rule, ...]
    baseline: str | None = "champion"
    alpha: float = 0.05
    power: float = 0.8
    max_missing: float = 0.05
    min_pairs: int | None = None
    min_slice: int = 30
    require_certificate: bool = True
    promotion: Mapping[str, Json] | None = None

    @property
    def digest(self) -> str:
        """Identity of what the gate demands: comments, order of keys and omitted defaults play no part."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "rules"}
        return digest({**own, "rules": [_data(rule) for rule in self.rules]})


def gate_of(data: Json, *, source: SourceMap | None = None) -> Gate:
    """The gate that a map describes.

    Args:
        data: Parsed YAML or JSON of a gate file, or the field ``gate`` of a suite.
        source: Where its parts stand, for messages.

    Raises:
        SpecError: All problems; ``empty_gate`` when there are no rules.
    """
    where = source or SourceMap()
    if not isinstance(data, Mapping):
        raise SpecError([where.problem(Finding(code="not_a_gate", message="a gate is a map"))])
    shaped = read_map(data, _gate_readers, path="", required=())
    findings = list(shaped.findings)
    rules, more = _rules(data.get("rules"))
    findings += more
    if findings:
        problems: list[Problem] = sorted(
            map(where.problem, findings), key=lambda p: (p.line, p.column)
        )
        raise SpecError(problems)
    values = {k: v for k, v in shaped.values.items() if k not in ("schema", "rules", "extra")}
    if values.pop("missing", "tolerant") == "strict":
        values["max_missing"] = 0.0
    if values.get("baseline") == "none":
        values["baseline"] = None
    return Gate(rules=tuple(rules), **values)


def gate_of_thresholds(thresholds: Mapping[str, float]) -> Gate:
    """The gate of compatibility thresholds: each number must be reached as it stands.

    Args:
        thresholds: ``pass_rate`` in percent, ``<metric>_mean``, ``<metric>_p95``, ``cost_total``
            and the other names of the whole suite.

    Raises:
        SpecError: ``empty_gate``, or a threshold that is no number.
    """
    rules = []
    findings = []
    for name, value in thresholds.items():
        try:
            wanted: float = number()(value)
        except Wrong as wrong:
            findings.append(Finding(code=wrong.code, message=f"{name}: {wrong.message}", path=name))
            continue
        wanted = wanted / 100 if name == "pass_rate" else wanted
        rules.append(Rule(id=name, metric=name, kind="threshold", value=wanted, bound="point"))
    if findings:
        raise SpecError(map(SourceMap().problem, findings))
    if not rules:
        raise SpecError([SourceMap().problem(_empty)])
    return Gate(rules=tuple(rules), baseline=None)


_empty: Final = Finding(code="empty_gate", message="a gate needs at least one rule", path="rules")


def _rules(data: Json) -> tuple[list[Rule], list[Finding]]:
    if data is None or data == []:
        return [], [_empty]
    if not isinstance(data, list):
        return [], [Finding(code="wrong_type", message="rules: a list is needed", path="rules")]
    rules: list[Rule] = []
    findings: list[Finding] = []
    for index, item in enumerate(data):
        path = f"rules[{index}]"
        if not isinstance(item, Mapping):
            findings.append(Finding(code="wrong_type", message="a rule is a map", path=path))
            continue
        rule, wrong = _rule(item, path)
        findings += wrong
        if rule is None:
            continue
        if rule.id in {one.id for one in rules}:
            message = f"the rule id {rule.id!r} is used twice"
            findings.append(Finding(code="duplicate_rule", message=message, path=f"{path}.id"))
        rules.append(rule)
    return rules, findings


def _rule(data: Mapping[str, Json], path: str) -> tuple[Rule | None, Sequence[Finding]]:
    kind = data.get("kind")
    own = _own_fields.get(kind, ()) if isinstance(kind, str) else ()
    known = own or [name for names in _own_fields.values() for name in names]
    readers = {name: _rule_readers[name] for name in (*_shared_fields, *known)}
    shaped = read_map(data, readers, path=path, required=("metric", "kind"))
    if shaped.findings:
        return None, shaped.findings
    values: dict[str, Any] = {k: v for k, v in shaped.values.items() if k != "extra"}
    values.setdefault("id", f"{values['metric']}_{values['kind']}")
    if values["metric"] == "pass_rate":
        values.setdefault("stat", "pass_rate")
    rule = Rule(**values)
    finding = _missing_limit(rule, path)
    return (None, (finding,)) if finding else (rule, ())


def _missing_limit(rule: Rule, path: str) -> Finding | None:
    if rule.kind == "threshold" and rule.value is None:
        message = f"rule {rule.id!r}: a threshold needs a value"
        return Finding(code="missing_field", message=message, path=path)
    if rule.kind in ("noninferiority", "equivalence") and rule.margin is None:
        message = f"rule {rule.id!r}: say how much worse is still acceptable, with margin above 0"
        return Finding(code="margin_required", message=message, path=path)
    if rule.bound == "ci" and rule.stat in percentiles:
        message = f"rule {rule.id!r}: {rule.stat} has no interval; use bound: point"
        return Finding(code="conflicting_fields", message=message, path=f"{path}.bound")
    return None


def _margin(value: Json) -> float:
    try:
        margin: float = number(above=0)(value)
    except Wrong as wrong:
        raise Wrong(wrong.message, code="margin_required") from None
    return margin


def _promotion(value: Json) -> Mapping[str, Json]:
    """``{on: pass | superiority, actor: name}``: who a champion is moved by, and after what."""
    given = mapping(value)
    readers: Mapping[str, Reader] = {"on": one_of(("pass", "superiority")), "actor": text_of}
    shaped = read_map(given, readers, path="", required=("on", "actor"))
    for finding in shaped.findings:
        at = f".{finding.path}" if finding.path else ""
        raise Wrong(finding.message, code=finding.code, at=at)
    return {name: shaped.values[name] for name in readers}


def _data(rule: Rule) -> dict[str, Json]:
    return {one.name: getattr(rule, one.name) for one in fields(rule)}


_shared_fields: Final = ("id", "metric", "kind", "tier", "slices", "min_pairs")
_own_fields: Final[Mapping[str, Sequence[str]]] = {
    "threshold": ("value", "stat", "bound"),
    "noninferiority": ("margin", "fail_on"),
    "superiority": ("min_gain",),
    "equivalence": ("margin",),
    "regression_pct": ("drop", "bound"),
    "coverage": ("min",),
}
_rule_readers: Final[Mapping[str, Reader]] = {
    "id": text_of,
    "metric": text_of,
    "kind": one_of(get_args(Kind)),
    "tier": one_of(get_args(Tier)),
    "slices": list_of(text_of),
    "min_pairs": whole(2),
    "value": number(),
    "stat": one_of(get_args(Stat)),
    "bound": one_of(get_args(Bound)),
    "margin": _margin,
    "fail_on": one_of(get_args(FailOn)),
    "min_gain": number(0),
    "drop": number(0),
    "min": number(0, 1),
}
_gate_readers: Final[Mapping[str, Reader]] = {
    "schema": one_of((schema_name,)),
    "baseline": optional(text_of),
    "alpha": number(1e-6, 0.49),
    "power": number(0.01, 0.9999),
    "max_missing": number(0, 1),
    "missing": one_of(("tolerant", "strict")),
    "min_pairs": optional(whole(2)),
    "min_slice": whole(2),
    "require_certificate": flag,
    "promotion": optional(_promotion),
    "rules": lambda rules: rules,
}
