"""Keys that decide what is computed again: by content, per layer, and why a key is not the stored one.

Responses, scores and verdicts have keys of their own, so an edit recomputes exactly the layers whose
inputs it changed. A key is the digest of named parts; the parts are kept beside it, and comparing them
with the parts of the newest stored key tells in words what would be computed again and why.
"""

import difflib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipex_core.evals.results import ResponseStatus, classes, is_open
from pipex_core.evals.suite import CaseHashes
from pipex_core.jsonvalue import Json, digest, short
from pipex_core.metrics.contract import Need, Usage

Parts = Mapping[str, Json]
State = Literal["hit", "carried", "computed", "would compute"]

reference_needs: frozenset[Need] = frozenset(
    {"reference", "reference_json", "expected_tools", "relevant_ids", "context", "choices"}
)
input_needs: frozenset[Need] = frozenset({"input", "query"})
# Which numbers of a response a metric of this name reads: a new price leaves latencies as they are.
usage_fields: Mapping[str, Sequence[str]] = {
    "latency": ("latency_ms", "ttft_ms"),
    "cost": ("cost_usd",),
    "tokens": ("input_tokens", "output_tokens", "reasoning_tokens"),
}
_all_usage = tuple(name for names in usage_fields.values() for name in names)
_long = 80  # characters up to which a value is shown as it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part of a key that is not what it was.

    Attributes:
        part: Path of the part, such as ``target.options.temperature``.
        before: Stored value, or the short digest of a large one; None when the part is new.
        after: Present value, likewise; None when the part is gone.
        diff: Unified diff of two texts of several lines, else empty.
    """

    part: str
    before: Json
    after: Json
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What happens to one row of one layer, and why.

    Attributes:
        parts: Short digest of each part of the key.
        origin_run_id: Run that computed the stored row, or None.
        differs: Against the newest stored key of the same row; empty when it is found or was never
            stored.
    """

    key: str
    parts: Mapping[str, str]
    state: State
    origin_run_id: str | None = None
    differs: tuple[Difference, ...] = ()


def response_key(
    *, target_digest: str, input_hash: str, repeat: int, run_seed: int | None = None
) -> str:
    """Key of the answer of a target to one case and repeat.

    Args:
        target_digest: Identity of the target.
        input_hash: Of the case.
        repeat: 0-based.
        run_seed: Only when the target uses it.
    """
    return digest(response_parts(target_digest, input_hash, repeat=repeat, run_seed=run_seed))


def response_parts(
    target: Json, input_hash: str, *, repeat: int, run_seed: int | None = None
) -> Parts:
    """The parts of ``response_key``; with a map as ``target`` they are meant for ``explain``."""
    parts = {"target": target, "input_hash": input_hash, "repeat": repeat}
    return parts if run_seed is None else {**parts, "run_seed": run_seed}


def response_hash(
    *, status: str, output: str | None, output_json: Json, has_output_json: bool, tool_calls: Json
) -> str:
    """What an answer says, whoever said it and whatever it cost."""
    return digest(
        {
            "status": status,
            "output": output,
            "output_json": {"value": output_json} if has_output_json else None,
            "tool_calls": tool_calls,
        }
    )


def score_parts(  # noqa: PLR0913 - all that a score can depend on, all named
    *,
    metric: str,
    fingerprint: str,
    needs: frozenset[Need],
    response: str,
    case: CaseHashes,
    usage: Usage | None = None,
    looked_up: Mapping[str, Json] | None = None,
) -> Parts:
    """The parts of ``score_key``: of the case only what the metric says it reads.

    Args:
        metric: Registry name of the metric.
        fingerprint: Of the metric with its options.
        needs: Of the metric.
        response: From ``response_hash``.
        case: Hashes of the case.
        usage: What the answer took; read by metrics that need it.
        looked_up: What ``source_field``, ``query_field`` and ``reference_field`` of the entry found
            in the metadata, which no hash of the case covers.
    """
    parts: dict[str, Json] = {"fingerprint": fingerprint, "response_hash": response}
    if needs & reference_needs:
        parts["reference_hash"] = case.reference_hash
    if needs & input_needs:
        parts["input_hash"] = case.input_hash
    if "usage" in needs and usage is not None:
        names = usage_fields.get(metric, _all_usage)
        parts["usage"] = {name: getattr(usage, name) for name in names}
    if looked_up:
        parts["looked_up"] = dict(looked_up)
    return parts


def score_key(parts: Parts) -> str:
    """Key of one metric's score of one answer; thresholds, weights and tags are in none."""
    return digest(parts)


def repeats_key(fingerprint: str, samples: Iterable[tuple[str, bool | None]]) -> str:
    """Key of a value over the repeats of a case.

    Args:
        fingerprint: Of the metric.
        samples: Hash of each response and whether it passed, in the order of the repeats.
    """
    return digest({"fingerprint": fingerprint, "samples": [list(one) for one in samples]})


def corpus_key(fingerprint: str, score_keys: Iterable[str]) -> str:
    """Key of a value over the whole suite, from the keys of the scores it is made of.

    Args:
        fingerprint: Of the metric.
        score_keys: In order of case and repeat.
    """
    return digest({"fingerprint": fingerprint, "inputs": list(score_keys)})


def verdict_key(
    *,
    score_keys: Iterable[str],
    annotation_hashes: Iterable[str],
    gate_digest: str,
    baseline_digest: str | None,
) -> str:
    """Key of a verdict: all scores in use, all annotations, the gate and the baseline."""
    return digest(
        {
            "scores": sorted(score_keys),
            "annotations": sorted(annotation_hashes),
            "gate": gate_digest,
            "baseline": baseline_digest,
        }
    )


def is_final(status: ResponseStatus) -> bool:
    """Is an answer of this status kept as it is? Failures of the target are, holes are not."""
    return classes[status] != "missing"


def is_final_score(code: str | None) -> bool:
    """Is a score (None) or an unscored code kept as it is?"""
    return not is_open(status="scored" if code is None else "unscored", code=code)


def left_to_do(wanted: Iterable[str], final: Container[str]) -> list[str]:
    """The keys that a run has to compute, each once, in the order in which they are wanted."""
    return [key for key in dict.fromkeys(wanted) if key not in final]


def explain(
    parts: Parts, *, stored: Mapping[str, str], newest: Parts | None, computed: bool = False
) -> Explained:
    """Is the row there, and if not, which part of its key is not what it was?

    Args:
        parts: Of the key in question.
        stored: Final keys in the store, each with the run that computed it.
        newest: Parts of the newest stored key of the same case, target name and metric, or None.
        computed: The row belongs to the run that is explained, and was made there.
    """
    key = digest(parts)
    origin = stored.get(key)
    if origin is not None:
        state: State = "computed" if computed else "carried"
        return Explained(key=key, parts=_short(parts), state=state, origin_run_id=origin)
    return Explained(
        key=key,
        parts=_short(parts),
        state="would compute",
        differs=differences(newest, parts) if newest is not None else (),
    )


def differences(before: Parts, after: Parts) -> tuple[Difference, ...]:
    """The parts that differ, sorted; maps are compared inside."""
    return tuple(_differences(dict(before), dict(after), ""))


def _short(parts: Parts) -> Mapping[str, str]:
    return {name: short(digest(value)) for name, value in parts.items()}


def _differences(before: Json, after: Json, path: str) -> list[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [
            found
            for name in sorted(before.keys() | after.keys())
            for found in _differences(
                before.get(name), after.get(name), f"{path}.{name}" if path else name
            )
        ]
    if digest(before) == digest(after):
        return []
    if _is_long(before) and _is_long(after):
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
        diff = "\n".join(list(lines)[2:])
        return [Difference(part=path, before=_shown(before), after=_shown(after), diff=diff)]
    return [Difference(part=path, before=_shown(before), after=_shown(after))]


def _is_long(value: Json) -> bool:
    return isinstance(value, str) and ("\n" in value or len(value) > _long)


def _shown(value: Json) -> Json:
    """Small values as they are, digests and large ones by their first 12 digits."""
    if isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef"):  # noqa: PLR2004 - a SHA-256
        return short(value)
    if isinstance(value, Mapping | list | tuple) or _is_long(value):
        return short(digest(value))
    return value
