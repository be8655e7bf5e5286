"""What travels between the ops of a pipeline: the steps that have finished so far, as one JSON value.

A skipped step is in its envelope like any other, because an optional output would skip everything
downstream, and the language decides what follows a skip. So is a failed step whose run goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from pipex_core.engine.part import Finished, Used
from pipex_core.engine.records import StepRecord
from pipex_core.jsonvalue import Json

Envelope = Mapping[str, Json]

envelope_schema = "pipex.envelope/1"


def is_envelope(value: Json) -> bool:
    """Whether an op may hand this on."""
    return isinstance(value, Mapping) and value.get("schema") == envelope_schema


def envelope(before: Sequence[Finished], own: Finished, *, provider_state: Json) -> Envelope:
    """What an op hands to those that follow it.

    Args:
        before: What it was given itself.
        own: The step that it executed; steps inside of it are left out, its record holds theirs.
        provider_state: What the providers have counted.
    """
    outside = (one for one in before if not one.path.startswith(f"{own.path}/"))
    return {
        "schema": envelope_schema,
        "step": own.path,
        "skipped": own.record.status == "skipped",
        "finished": [_stored(one) for one in (*outside, own)],
        "provider_state": provider_state,
    }


def merged(envelopes: Iterable[Envelope], *, order: Sequence[str]) -> Envelope:
    """Several envelopes as one: each step once, in file order, and the highest counts.

    Args:
        envelopes: Of the ops that the next one follows.
        order: Paths of all steps in file order.
    """
    found: dict[str, Json] = {}
    state: Json = None
    for one in envelopes:
        found |= {step["path"]: step for step in one["finished"]}
        state = _higher(state, one["provider_state"])
    # A step that the file has no more stays: its digest then says that the file was changed.
    places = {path: place for place, path in enumerate(order)}
    ordered = sorted(found, key=lambda path: places.get(path, -1))
    steps = [found[path] for path in ordered]
    return {"schema": envelope_schema, "finished": steps, "provider_state": state}


def finished_in(given: Envelope) -> Sequence[Finished]:
    """The steps of an envelope, in file order."""
    return [
        Finished(
            path=one["path"],
            digest=one["digest"],
            used=Used(**one["used"]),
            record=StepRecord.from_stored(one["record"]),
        )
        for one in given["finished"]
    ]


def _stored(one: Finished) -> Json:
    used = asdict(one.used)
    return {"path": one.path, "digest": one.digest, "used": used, "record": one.record.stored()}


def _higher(left: Json, right: Json) -> Json:
    """Counts of two branches: each rule has been used at least as often as either of them says."""
    if left is None or right is None:
        return left if right is None else right
    return [max(pair) for pair in zip(left, right, strict=True)]
