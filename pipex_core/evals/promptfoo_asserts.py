"""Assertions of promptfoo -> metric entries, references, or a note of what has no counterpart."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pipex_core.jsonvalue import Json

Noted = Callable[[str, str], None]  # feature, effect


@dataclass(slots=True)
class Judged:
    """What the assertions of one case became.

    Attributes:
        metrics: Entries as a suite writes them, with different names.
        references: Texts that metrics compare with; a case has one, so that more than one is a loss.
    """

    metrics: list[dict[str, Json]] = field(default_factory=list)
    references: list[Json] = field(default_factory=list)


def metrics_of(assertions: Sequence[Json], templates: Mapping[str, Json], note: Noted) -> Judged:
    """The metrics that say what the assertions say.

    Args:
        assertions: As written, ``$ref`` included.
        templates: ``assertionTemplates`` of the configuration.
        note: Told what is left out, and what is not quite the same.
    """
    found = Judged()
    for one in _flat(assertions, templates, note):
        _add(found, one, note)
    if len({repr(one) for one in found.references}) > 1:
        note("assert", "several assertions compare with different texts; a case has one reference")
    return found


def read_expected(cell: str) -> dict[str, Json]:
    """The assertion in a cell ``__expected``: ``type(threshold):value``, or the bare expected text."""
    text = cell.strip()
    if text.startswith(("javascript:", "fn:", "eval:", "python:", "file://")):
        kind, _, value = text.partition(":")
        return {
            "type": {"fn": "javascript", "eval": "javascript", "file": "file"}.get(kind, kind),
            "value": value,
        }
    if text.startswith("grade:"):
        return {"type": "llm-rubric", "value": text.removeprefix("grade:").strip()}
    match = _cell.fullmatch(text)
    if match is None or _plain_type(match["type"]) not in {*_kinds, *_without}:
        return {"type": "equals", "value": cell}
    found: dict[str, Json] = {"type": match["type"]}
    if match["threshold"]:
        found["threshold"] = float(match["threshold"])
    if match["value"] is not None:
        value = match["value"].strip()
        found["value"] = split_cell(value) if _plain_type(match["type"]) in _lists else value
    return found


def split_cell(text: str) -> list[str]:
    r"""The items of a list in a cell; ``\,`` is a comma inside an item."""
    parts = re.split(r"(?<!\\),", text)
    return [part.replace("\\,", ",").strip() for part in parts if part.strip()]


_cell: Final = re.compile(
    r"(?P<type>(?:not-)?[a-z][a-z-]*)(?:\((?P<threshold>[0-9.]+)\))?(?::(?P<value>.*))?", re.DOTALL
)
_lists: Final = frozenset({"contains-all", "contains-any", "icontains-all", "icontains-any"})
_without: Final[Mapping[str, str]] = MappingProxyType(
    {
        "javascript": "it runs code",
        "python": "it runs code",
        "ruby": "it runs code",
        "file": "it runs code of another file",
        "webhook": "it calls another machine",
        "gleu": "there is no GLEU; consider chrf",
        "classifier": "it needs a hosted classifier",
        "moderation": "it needs a hosted classifier",
        "is-sql": "no metric judges SQL without a reference; consider sql_equivalent",
        "contains-sql": "no metric judges SQL without a reference; consider sql_equivalent",
        "perplexity": "it needs the log probabilities of the target; name the metric in the suite",
    }
)


def _flat(
    assertions: Sequence[Json], templates: Mapping[str, Json], note: Noted
) -> list[Mapping[str, Json]]:
    found: list[Mapping[str, Json]] = []
    for one in assertions:
        given = _resolved(one, templates, note)
        if given is None:
            continue
        if given.get("type") == "assert-set":
            note("assert-set", "its assertions stand by themselves; its own threshold is left out")
            found += _flat(given.get("assert") or (), templates, note)
        else:
            found.append(given)
    return found


def _resolved(one: Json, templates: Mapping[str, Json], note: Noted) -> Mapping[str, Json] | None:
    if isinstance(one, Mapping) and isinstance(one.get("$ref"), str):
        name = one["$ref"].rsplit("/", 1)[-1]
        known = templates.get(name)
        if not isinstance(known, Mapping):
            note(f"$ref {one['$ref']}", "there is no such template")
            return None
        return {**known, **{key: value for key, value in one.items() if key != "$ref"}}
    if isinstance(one, Mapping) and isinstance(one.get("type"), str):
        return one
    note("assert", "it is no map with a type")
    return None


def _plain_type(kind: str) -> str:
    return kind.removeprefix("not-")


def _add(found: Judged, given: Mapping[str, Json], note: Noted) -> None:
    kind = _plain_type(given["type"])
    value = given.get("value")
    if isinstance(value, str) and value.startswith("file://"):
        note(f"assert {given['type']}", "its value stands in another file")
        return
    made = _kinds.get(kind)
    if made is None:
        reason = _without.get(kind, "there is no such metric")
        note(f"assert {given['type']}", f"{reason}; the assertion is left out")
        return
    entry = made(given, note)
    if entry is None:
        return
    if "transform" in given:
        note(f"assert {given['type']}", "its transform runs code and is left out")
    reference = entry.pop("reference", None)
    if reference is not None:
        found.references.append(reference)
    if given["type"] != kind:
        _negate(entry)
    if isinstance(given.get("weight"), int | float) and given["weight"] > 0:
        entry["weight"] = given["weight"]
    elif given.get("weight") == 0:
        entry["required"] = False
    entry["name"] = _name(found, given.get("metric"), entry["type"])
    found.metrics.append(entry)


def _negate(entry: dict[str, Json]) -> None:
    if entry["type"] == "refusal":  # lower is better there: 0 is what a denied assertion wants
        entry.pop("negate")
        return
    entry["negate"] = True
    if isinstance(entry.get("threshold"), int | float):
        entry["threshold"] = 1 - entry["threshold"]


def _name(found: Judged, wanted: Json, kind: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_.:-]", "_", wanted) if isinstance(wanted, str) else kind
    stem = text if text[:1].isalpha() else f"m_{text}"
    taken = {entry["name"] for entry in found.metrics}
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name


Made = Callable[[Mapping[str, Json], Noted], dict[str, Json] | None]


def _with_value(kind: str, option: str, **more: Json) -> Made:
    def made(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
        value = given.get("value")
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            note(f"assert {given['type']}", "it needs a text as its value")
            return None
        return {"type": kind, option: str(value), **more}

    return made


def _with_values(kind: str, **more: Json) -> Made:
    def made(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
        value = given.get("value")
        values = split_cell(value) if isinstance(value, str) else value
        if not isinstance(values, list) or not values:
            note(f"assert {given['type']}", "it needs a list of texts as its value")
            return None
        return {"type": kind, "values": [str(one) for one in values], **more}

    return made


def _against(kind: str, threshold: float | None = None, **more: Json) -> Made:
    """A metric that compares with a reference."""

    def made(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
        if given.get("value") is None:
            note(f"assert {given['type']}", "it needs a value to compare with")
            return None
        return {**_thresholded(kind, given, threshold), **more, "reference": given["value"]}

    return made


def _alone(kind: str, threshold: float | None = None, **more: Json) -> Made:
    def made(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
        del note
        return {**_thresholded(kind, given, threshold), **more}

    return made


def _thresholded(kind: str, given: Mapping[str, Json], threshold: float | None) -> dict[str, Json]:
    wanted = given.get("threshold", threshold)
    return {"type": kind} if wanted is None else {"type": kind, "threshold": wanted}


def _equals(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
    value = given.get("value")
    if value is None:
        note("assert equals", "it needs a value to compare with")
        return None
    return {
        "type": "exact_match",
        "reference": value if isinstance(value, str) else {"$value": value},
    }


def _json(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
    if given["type"].endswith("contains-json"):
        note("assert contains-json", "the answer must be JSON as a whole or in one code fence")
    value = given.get("value")
    if value is None:
        return {"type": "json_valid"}
    if not isinstance(value, Mapping):
        note(f"assert {given['type']}", "its schema is no map")
        return None
    return {"type": "json_schema", "schema": dict(value)}


def _levenshtein(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
    value = given.get("value")
    if not isinstance(value, str) or not value:
        note("assert levenshtein", "it needs a text to compare with")
        return None
    most = given.get("threshold", 5)
    note("assert levenshtein", f"a distance of at most {most} became a similarity")
    return {
        "type": "levenshtein",
        "threshold": max(0.0, round(1 - most / len(value), 6)),
        "reference": value,
    }


def _rubric(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
    value = given.get("value")
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text for text in texts):
        note(f"assert {given['type']}", "it needs a text as its value")
        return None
    items = [{"id": f"r{number}", "text": text} for number, text in enumerate(texts, 1)]
    return {**_thresholded("rubric", given, None), "items": items}


def _criteria(given: Mapping[str, Json], note: Noted) -> dict[str, Json] | None:
    value = given.get("value")
    text = "\n".join(map(str, value)) if isinstance(value, list) else value
    if not isinstance(text, str) or not text:
        note(f"assert {given['type']}", "it needs a text as its value")
        return None
    return {**_thresholded("criteria", given, None), "criteria": text}


_kinds: Final[Mapping[str, Made]] = MappingProxyType(
    {
        "equals": _equals,
        "contains": _with_value("contains", "value"),
        "icontains": _with_value("contains", "value", ignore_case=True),
        "contains-all": _with_values("contains_all"),
        "contains-any": _with_values("contains_any"),
        "icontains-all": _with_values("contains_all", ignore_case=True),
        "icontains-any": _with_values("contains_any", ignore_case=True),
        "starts-with": _with_value("starts_with", "value"),
        "regex": _with_value("regex_match", "pattern"),
        "is-json": _json,
        "contains-json": _json,
        "is-xml": _alone("xml_valid"),
        "rouge-n": _against("rouge", 0.75, rouge_type="rouge1"),
        "bleu": _against("bleu", 0.5),
        "meteor": _against("meteor", 0.5),
        "levenshtein": _levenshtein,
        "similar": _against("embedding_similarity", 0.75),
        "latency": _alone("latency"),
        "cost": _alone("cost"),
        "llm-rubric": _rubric,
        "model-graded-closedqa": _rubric,
        "g-eval": _criteria,
        "factuality": _against("correctness"),
        "model-graded-factuality": _against("correctness"),
        "answer-relevance": _alone("relevance"),
        "context-faithfulness": _alone("faithfulness"),
        "context-recall": _against("context_recall"),
        "is-refusal": _alone("refusal", 0, negate=True),
    }
)
