"""Metric entries as users write them -> checked entries with a metric each, before any call.

An entry is a name, ``name:threshold``, or a map ``{type, name, threshold, tier, weight, negate, extract,
fallback, required, opts}`` in which options may also stand directly. Everything wrong with a list of
entries is reported at once. What an entry *measures* is its fingerprint; threshold, tier and weight
say what follows from a score and stand in no fingerprint.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Final

from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.jsonvalue import Json, digest, type_name
from pipex_core.metrics.catalogue import ALIASES, Alias
from pipex_core.metrics.contract import Metric, MetricInfo, MetricType, Need
from pipex_core.metrics.extraction import Extract, read_extract
from pipex_core.metrics.judge import Judge, judge_words
from pipex_core.metrics.lookup import field_options_of, usual
from pipex_core.metrics.options import completed
from pipex_core.registry import Registry, nearest, similar


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One metric of a run.

    Attributes:
        name: Column of its scores, unique in the run.
        type: Canonical name of the metric.
        threshold: The entry's, else the metric's default; None when a score decides nothing.
        options: Canonical, defaults included.
        fallback: Entry whose score is written as an extra row when this one times out or crashes.
        fields: Places of context, query and reference that are not the usual ones, by field option.
        judge: Who gives the number, of metrics that need a judge and whose judge is known.
        fingerprint: Identity of what is measured: equal fingerprints give equal scores.
    """

    name: str
    type: str
    metric: Metric
    info: MetricInfo
    options: Mapping[str, Json]
    fingerprint: str
    threshold: float | None = None
    tier: str | None = None
    weight: float = 1.0
    negate: bool = False
    extract: Extract | None = None
    fallback: "Entry | None" = None
    required: bool = True
    fields: Mapping[str, str] = field(default_factory=dict)
    judge: Judge | None = None

    @property
    def needs(self) -> frozenset[Need]:
        """What is read of a case: by the metric, by what takes the answer apart, by the fallback."""
        found = self.info.needs
        if self.extract is not None and self.extract.kind == "choice":
            found |= {"choices"}
        return found | self.fallback.needs if self.fallback else found

    def document(self) -> Mapping[str, Json]:
        """The entry as JSON with everything filled in, for manifests and the plan digest."""
        return {
            "type": self.type,
            "name": self.name,
            "threshold": self.threshold,
            "tier": self.tier,
            "weight": self.weight,
            "negate": self.negate,
            "extract": dict(self.extract.spec) if self.extract else None,
            "fallback": dict(self.fallback.document()) if self.fallback else None,
            "required": self.required,
            "opts": {**self.options, **self.fields},
        }

    def judged_by(self, judge: Judge) -> "Entry":
        """The entry with its judge, who is part of what is measured; what he is called is not."""
        options = {name: value for name, value in self.options.items() if name not in judge_words}
        measured = fingerprint(
            self.info, options, extract=self.extract, negate=self.negate, fields=self.fields
        )
        info = self.info
        if len(judge.ballots) > 1 and "corpus" not in info.levels:
            info = replace(info, levels=(*info.levels, "corpus"))
        return replace(
            self,
            info=info,
            judge=judge,
            fingerprint=digest({"metric": measured, "judge": judge.fingerprint}),
        )


def resolve_entries(
    raw: Sequence[Json], registry: Registry[MetricType], *, where: str = "metrics"
) -> tuple[Entry, ...]:
    """The entries of a run, in their order.

    Args:
        raw: Entries as written.
        registry: Names of metrics; the aliases of the catalogue hold besides its own.
        where: Path of the list in its document, for the problems.

    Raises:
        SpecError: ``unknown_metric``, ``bad_option``, ``duplicate_metric`` or ``wrong_type``, all of
            them at once.
        ConfigError: ``dependency_missing``, a metric needs a library that is not installed.
    """
    reader = _Reader(registry)
    entries = [reader.entry(one, f"{where}[{at}]") for at, one in enumerate(raw)]
    seen: set[str] = set()
    for at, entry in enumerate(entries):
        if entry is None:
            continue
        if entry.name in seen:
            hint = f"two metrics are named {entry.name!r}; give one of them another `name`"
            reader.problem("duplicate_metric", f"{where}[{at}]", hint)
        seen.add(entry.name)
    if reader.problems:
        raise SpecError(reader.problems)
    return tuple(entry for entry in entries if entry is not None)


def fingerprint(
    info: MetricInfo,
    options: Mapping[str, Json],
    *,
    extract: Extract | None,
    negate: bool,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Digest of all that decides a number: metric, version, options, libraries, extract, negate.

    ``fields`` are the places that are not the usual ones.

    Raises:
        ConfigError: ``dependency_missing``, a library of the metric is not installed.
    """
    return digest(
        {
            "name": info.name,
            "version": info.version,
            "options": {**options, **fields},
            "libraries": {name: _version_of(name) for name in info.libraries},
            "identity": info.identity,
            "extract": dict(extract.spec) if extract else None,
            "negate": negate,
        }
    )


own_hint: Final = "; register it, or put it into metrics.py beside the suite and add --allow-code"
tiers: Final = ("critical", "supporting", "advisory")
_fields: Final = frozenset(
    {
        "type", "name", "threshold", "tier", "weight", "negate", "extract", "fallback", "required",
        "opts",
    }
)  # fmt: skip
_column: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,127}")


@lru_cache(maxsize=64)
def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError as exc:
        raise ConfigError(f"{library} is not installed", code="dependency_missing") from exc


class _Reader:
    """Reads entries one by one and gathers what is wrong with them."""

    def __init__(self, registry: Registry[MetricType]) -> None:
        self._registry = registry
        self.problems: list[Problem] = []

    def problem(self, code: str, path: str, message: str, near: str | None = None) -> None:
        self.problems.append(Problem(code=code, path=path, message=message, suggestion=near))

    def entry(self, raw: Json, path: str) -> Entry | None:
        """The entry, or None when something is wrong with it."""
        before = len(self.problems)
        written = self._as_map(raw, path)
        alias = self._alias(written, path) if written is not None else None
        if written is None or alias is None:
            return None
        kind = self._registry.get(alias.metric)
        written, fields = self._fields(written, kind.info, path)
        options = self._options(written, alias, kind.info, path)
        extract = self._extract(written, path)
        negate = self._flag(written, "negate", path, default=False)
        required = self._flag(written, "required", path, default=True)
        name = self._name(written, alias.column, path)
        tier = self._tier(written, path)
        weight = self._weight(written, path)
        made = self._made(kind, options, path) if len(self.problems) == before else None
        info = kind.info if made is None else made.info
        threshold = self._threshold(written, info, path)
        if negate and info.range != (0.0, 1.0):
            self.problem("bad_option", f"{path}.negate", f"{alias.metric} is not within 0..1")
        raw_fallback = written.get("fallback")
        fallback = self.entry(raw_fallback, f"{path}.fallback") if raw_fallback else None
        if made is None or len(self.problems) > before:
            return None
        return Entry(
            name=name,
            type=alias.metric,
            metric=made,
            info=info,
            options=options,
            fingerprint=fingerprint(info, options, extract=extract, negate=negate, fields=fields),
            threshold=threshold,
            tier=tier,
            weight=weight,
            negate=negate,
            extract=extract,
            fallback=fallback,
            required=required,
            fields=fields,
        )

    def _as_map(self, raw: Json, path: str) -> Mapping[str, Json] | None:
        if isinstance(raw, str):
            name, _, tail = raw.rpartition(":")
            threshold = _number(tail) if name else None
            return {"type": raw} if threshold is None else {"type": name, "threshold": threshold}
        if not isinstance(raw, Mapping):
            message = f"a metric entry is a name or a map, not {type_name(raw)}"
        elif not isinstance(raw.get("type"), str):
            message = "a metric entry needs a `type`, the name of a metric"
        else:
            return raw
        self.problem("wrong_type", path, message)
        return None

    def _alias(self, written: Mapping[str, Json], path: str) -> Alias | None:
        word = written["type"]
        name = self._registry.canonical(word)
        itself = Alias(name, {}, name) if word in self._registry else None
        if itself is None or name != word:
            known_alias = ALIASES.get(word)
            if known_alias is not None and known_alias.metric in self._registry:
                return known_alias
        if itself is not None:
            return itself
        known = [*self._registry, *self._registry.aliases(), *ALIASES]
        near = nearest(word, known) or next(iter(similar(word, known, count=1)), None)
        hint = own_hint if word.startswith("custom:") else ""
        self.problem("unknown_metric", path, f"unknown metric {word!r}{hint}", near)
        return None

    def _fields(
        self, written: Mapping[str, Json], info: MetricInfo, path: str
    ) -> tuple[Mapping[str, Json], Mapping[str, str]]:
        """The entry without its field options, and these where they say something new."""
        known = [word for word in field_options_of(info.needs) if word not in info.options]
        apart = written.get("opts")
        opts = apart if isinstance(apart, Mapping) else {}
        fields: dict[str, str] = {}
        for word in known:
            place = written.get(word, opts.get(word))
            if isinstance(place, str) and place:
                fields[word] = place
            elif place is not None:
                message = f"{word} is the name of a field, got {place!r}"
                self.problem("bad_option", f"{path}.{word}", message)
        rest = {key: value for key, value in written.items() if key not in known}
        if opts:
            rest["opts"] = {key: value for key, value in opts.items() if key not in known}
        return rest, {word: place for word, place in fields.items() if usual.get(word) != place}

    def _options(
        self, written: Mapping[str, Json], alias: Alias, info: MetricInfo, path: str
    ) -> Mapping[str, Json]:
        direct = {key: value for key, value in written.items() if key not in _fields}
        apart = written.get("opts") or {}
        if not isinstance(apart, Mapping):
            self.problem("wrong_type", f"{path}.opts", f"opts is a map, not {type_name(apart)}")
            apart = {}
        for word in sorted(direct.keys() & apart.keys()):
            self.problem("bad_option", f"{path}.{word}", f"option {word!r} is given twice")
        given = {**alias.options, **direct, **apart}
        done = completed(given, info.options)
        for wrong in done.wrong:
            here = f"{path}.opts" if wrong.option in apart else path
            self.problem("bad_option", f"{here}.{wrong.option}", wrong.message, wrong.suggestion)
        return done.options

    def _made(self, kind: MetricType, options: Mapping[str, Json], path: str) -> Metric | None:
        try:
            return kind(**options)
        except ValueError as exc:
            self.problem("bad_option", path, f"{kind.info.name}: {exc}")
            return None
        except ImportError as exc:
            extra = kind.info.extra
            raise ConfigError(
                f"metric {kind.info.name!r} cannot be used here: {exc}",
                code="dependency_missing",
                next_step=f"pip install 'pipex[{extra}]'" if extra else "",
            ) from exc

    def _extract(self, written: Mapping[str, Json], path: str) -> Extract | None:
        raw = written.get("extract")
        if raw is None:
            return None
        try:
            return read_extract(raw)
        except (TypeError, ValueError) as exc:
            self.problem("bad_option", f"{path}.extract", str(exc))
            return None

    def _name(self, written: Mapping[str, Json], default: str, path: str) -> str:
        name = written.get("name")
        if name is None:
            return default
        if isinstance(name, str) and _column.fullmatch(name):
            return name
        message = (
            f"a name starts with a letter and holds letters, digits and _.:- only, got {name!r}"
        )
        self.problem("bad_option", f"{path}.name", message)
        return default

    def _threshold(self, written: Mapping[str, Json], info: MetricInfo, path: str) -> float | None:
        if "threshold" not in written:
            return info.default_threshold
        raw = written["threshold"]
        value = _number(raw)
        if raw is None or value is None:
            if raw is not None:
                self.problem("wrong_type", f"{path}.threshold", f"{raw!r} is not a number")
            return None
        if info.direction == "none":
            message = f"{info.name} has no better or worse, so that no threshold can be reached"
            self.problem("bad_option", f"{path}.threshold", message)
        low, high = info.range
        if not low <= value <= high:
            message = (
                f"{info.name} lies within {low:g}..{high:g}, a threshold of {value:g} does not"
            )
            self.problem("bad_option", f"{path}.threshold", message)
        return value

    def _tier(self, written: Mapping[str, Json], path: str) -> str | None:
        tier = written.get("tier")
        if tier is None or tier in tiers:
            return tier
        near = nearest(str(tier), tiers)
        self.problem("bad_option", f"{path}.tier", f"a tier is {', '.join(tiers)}", near)
        return None

    def _weight(self, written: Mapping[str, Json], path: str) -> float:
        weight = written.get("weight", 1.0)
        value = None if isinstance(weight, str) else _number(weight)
        if value is not None and value > 0:
            return value
        self.problem("wrong_type", f"{path}.weight", f"a weight is above 0, got {weight!r}")
        return 1.0

    def _flag(self, written: Mapping[str, Json], word: str, path: str, *, default: bool) -> bool:
        value = written.get(word, default)
        if not isinstance(value, bool):
            self.problem("wrong_type", f"{path}.{word}", f"{word} is true or false, got {value!r}")
            return default
        return value


def _number(raw: Json) -> float | None:
    """A finite number, also when it is written as text; booleans are none."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None
