"""Judges as people write them -> the judge of each metric, with everything that is wrong, before any call.

A metric's judge is, from strong to weak: what its entry says (``judge``, ``model``, ``votes``), the judge
named ``default`` or the only one of the file and the suite, the model of the settings.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from pipex_core.errors import Problem
from pipex_core.evals.fields import (
    Reader,
    Wrong,
    list_of,
    mapping,
    matching,
    number,
    one_of,
    optional,
    read_map,
    text_of,
    whole,
)
from pipex_core.jsonvalue import Json
from pipex_core.metrics.entries import Entry
from pipex_core.metrics.judge import (
    Judge,
    JudgeMetric,
    Member,
    judge_fingerprint,
)
from pipex_core.registry import nearest
from pipex_core.spec.options import resolve_model

default_judge: Final = "default"
decoding: Final = ("temperature", "top_p", "top_k", "seed")
# What the adapters of the vendors can send; others, such as the mock, take everything.
sendable: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "anthropic": frozenset({"temperature", "top_p", "top_k"}),
        "gemini": frozenset({"temperature", "top_p", "top_k", "seed"}),
    }
)
most_votes: Final = 99

Warning_ = tuple[str, str]


def _never(judge: Judge) -> None:
    del judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the words of a judge are read with.

    Attributes:
        vendor_of: The vendor of a model.
        vendors: Vendor to the provider that answers for it, such as ``anthropic`` to ``mock``.
        base_urls: Provider to the address that its calls go to, or what stands for it.
        adapters: Provider to the version of its adapter; also the providers that there are.
        default_model: Of judges that name none, or None.
        shared: Judges of a file by name, in front of the suite's; one file with one judge is ``default``.
        certificate: Id of the valid certificate of a judge, or None.
    """

    vendor_of: Callable[[str], str]
    vendors: Mapping[str, str] = field(default_factory=dict)
    base_urls: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, int] = field(default_factory=dict)
    default_model: str | None = None
    shared: Mapping[str, Json] = field(default_factory=dict)
    certificate: Callable[[Judge], str | None] = _never


@dataclass(frozen=True, slots=True, kw_only=True)
class Seated:
    """Entries with their judges.

    Attributes:
        problems: Why some have none.
        warnings: Code and sentence, each once.
    """

    entries: Sequence[Entry]
    problems: Sequence[Problem] = ()
    warnings: Sequence[Warning_] = ()


def seat(
    entries: Sequence[Entry],
    bench: Bench | None,
    *,
    judges: Mapping[str, Json] | None = None,
    targets: Sequence[str] = (),
) -> Seated:
    """The entries, those of judge metrics with the judge that each of them gets.

    Args:
        entries: Of any metrics.
        bench: What models mean here; None knows no judge.
        judges: Of the suite, by name.
        targets: Models of the system under test; a judge that is one of them judges itself.
    """
    found: list[Entry] = []
    problems: list[Problem] = []
    warnings: dict[Warning_, None] = {}
    known = {**(judges or {}), **(bench.shared if bench else {})}
    for entry in entries:
        if entry.fallback is not None and isinstance(entry.fallback.metric, JudgeMetric):
            message = "a judge cannot stand in for a metric that crashed"
            where = f"metrics.{entry.name}.fallback"
            problems.append(Problem(code="bad_option", message=message, path=where))
        if not isinstance(entry.metric, JudgeMetric):
            found.append(entry)
            continue
        judge = _judge_of(entry, known, bench, problems)
        if judge is None or bench is None:
            found.append(entry)
            continue
        fingerprint = judge_fingerprint(
            judge, entry.metric.templates, max_chars=entry.metric.max_chars
        )
        judge = replace(judge, fingerprint=fingerprint)
        judge = replace(judge, certificate=bench.certificate(judge))
        found.append(entry.judged_by(judge))
        warnings |= dict.fromkeys(_warnings(judge, targets))
    return Seated(entries=found, problems=problems, warnings=list(warnings))


def is_judged(entry: Entry) -> bool:
    """Does the entry need a judge?"""
    return isinstance(entry.metric, JudgeMetric)


def judge_from(
    name: str, data: Json, bench: Bench, *, where: str, problems: list[Problem]
) -> Judge | None:
    """The judge that a map, or the name of a model, describes; None when something is wrong with it.

    Args:
        name: What it is called where it names no ``id``.
        data: A map, or the name of a model.
        bench: What models mean here.
        where: Path of ``data``, for the problems.
        problems: Gets what is wrong.
    """
    raw = {"model": data} if isinstance(data, str) else data
    if not isinstance(raw, Mapping):
        problems.append(
            Problem(code="wrong_type", message="a judge is a map, or a model", path=where)
        )
        return None
    shaped = read_map(raw, _readers, path=where, required=())
    wrong = [
        Problem(code=one.code, message=one.message, path=one.path, suggestion=one.suggestion)
        for one in shaped.findings
    ]
    values = {key: value for key, value in shaped.values.items() if value is not None}
    wrong += _conflicts(values, where)
    if wrong:
        problems += wrong
        return None
    panel: Sequence[Mapping[str, Json]] = values.pop("panel", ()) or ({},)
    members = [_member({**values, **one}, bench, where, problems) for one in panel]
    if None in members:
        return None
    seated = [member for member in members if member is not None]
    return Judge(
        id=values.get("id") or _as_id(name if name != default_judge else seated[0].model),
        members=seated,
        votes=values.get("votes", 1),
        aggregation=values.get("aggregation", "median"),
        language=values.get("language"),
        certificate_file=values.get("certificate"),
    )


def _judge_of(
    entry: Entry, known: Mapping[str, Json], bench: Bench | None, problems: list[Problem]
) -> Judge | None:
    where = f"metrics.{entry.name}"
    said = entry.options.get("judge")
    model, votes = entry.options.get("model"), entry.options.get("votes")
    if bench is None:
        message = f"{entry.type} needs a judge, and nobody here knows one"
        problems.append(Problem(code="no_judge", message=message, path=where))
        return None
    if said is not None and model is not None:
        message = "`model` is short for a judge; name one of the two"
        problems.append(Problem(code="bad_option", message=message, path=f"{where}.model"))
        return None
    named = said if said is not None else model
    if isinstance(said, str) and said not in known:
        near = nearest(said, known)
        message = f"there is no judge {said!r}; the judges are: {', '.join(known) or 'none'}"
        problems.append(
            Problem(code="unknown_judge", message=message, path=f"{where}.judge", suggestion=near)
        )
        return None
    name = default_judge
    if isinstance(said, str):
        name, named = said, known[said]
    elif named is None and known:
        name = default_judge if default_judge in known or len(known) > 1 else next(iter(known))
        named = known.get(name)
    if named is None:
        named = {}
    if votes is not None and isinstance(named, str | Mapping):
        named = {**({"model": named} if isinstance(named, str) else named), "votes": votes}
    return judge_from(name, named, bench, where=f"{where}.judge", problems=problems)


def _member(
    values: Mapping[str, Json], bench: Bench, where: str, problems: list[Problem]
) -> Member | None:
    named = values.get("model") or bench.default_model
    if named is None:
        message = (
            "no model for the judge: name one with --judge or `model`, or set PIPEX_JUDGE_MODEL"
        )
        problems.append(Problem(code="no_judge", message=message, path=where))
        return None
    model = resolve_model(named)
    vendor = values.get("provider") or bench.vendor_of(model)
    provider = bench.vendors.get(vendor, vendor)
    if provider not in bench.adapters:
        message = f"provider {provider!r} is not configured; there are {', '.join(bench.adapters)}"
        problems.append(Problem(code="unknown_provider", message=message, path=f"{where}.provider"))
        return None
    wanted = {name: values[name] for name in decoding if name in values}
    wanted.setdefault("temperature", 0.0)
    takes = sendable.get(provider, frozenset(decoding))
    return Member(
        provider=provider,
        model=model,
        base_url=bench.base_urls.get(provider, ""),
        options={name: value for name, value in wanted.items() if name in takes},
        not_sent=[name for name in wanted if name not in takes],
        max_tokens=values.get("max_tokens", 1024),
        adapter_version=bench.adapters[provider],
    )


def _conflicts(values: Mapping[str, Json], where: str) -> list[Problem]:
    found = []
    votes = values.get("votes", 1)
    if votes % 2 == 0:
        message = f"votes is odd, so that there is a majority; got {votes}"
        found.append(Problem(code="bad_option", message=message, path=f"{where}.votes"))
    if votes > 1 and values.get("panel"):
        message = "votes are for one model; a panel has one vote for each of its members"
        found.append(Problem(code="bad_option", message=message, path=f"{where}.votes"))
    elif votes > 1 and not values.get("temperature"):
        message = "several votes of one model need a temperature above 0: they would be the same"
        found.append(Problem(code="bad_option", message=message, path=f"{where}.temperature"))
    return found


def _warnings(judge: Judge, targets: Sequence[str]) -> list[Warning_]:
    found = []
    for member in judge.members:
        if member.model in targets:
            message = f"judge {judge.id} is {member.model}, which it judges: models like their own"
            found.append(("self_judged", message))
        for name in member.not_sent:
            message = f"{member.provider} does not take {name}: judge {judge.id} works without it"
            found.append(("option_not_sent", message))
    return found


def _as_id(text: str) -> str:
    """A name that can be a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or default_judge


def _panelist(value: Json) -> Mapping[str, Json]:
    if isinstance(value, str):
        return {"model": value}
    shaped = read_map(mapping(value), _member_readers, path="", required=("model",))
    if shaped.findings:
        first = shaped.findings[0]
        raise Wrong(first.message, code=first.code, suggestion=first.suggestion)
    return {key: one for key, one in shaped.values.items() if one is not None}


_member_readers: Final[Mapping[str, Reader]] = {
    "provider": optional(text_of),
    "model": optional(text_of),
    "temperature": optional(number(0, 2)),
    "top_p": optional(number(0, 1)),
    "top_k": optional(whole(1)),
    "seed": optional(whole(0)),
    "max_tokens": optional(whole(1, 100_000)),
}
_readers: Final[Mapping[str, Reader]] = {
    "id": optional(
        matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"), "bad_id", "the id of a judge")
    ),
    **_member_readers,
    "votes": optional(whole(1, most_votes)),
    "panel": optional(list_of(_panelist)),
    "aggregation": optional(one_of(("median", "mean"))),
    "reasoning": optional(one_of(("before",))),
    "language": optional(text_of),
    "certificate": optional(text_of),
}
judge_fields: Final = tuple(_readers)
