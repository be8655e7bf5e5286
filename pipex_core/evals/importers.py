"""Suites from the files of other tools: the formats, how each is told by its content, and one door to all."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.foreign import Imported, Maker, Sibling
from pipex_core.evals.from_evaluators import (
    import_openai_registry,
    import_openai_samples,
    import_pydantic,
)
from pipex_core.evals.from_goldens import import_goldens
from pipex_core.evals.from_lm_eval import import_samples, import_task
from pipex_core.evals.from_promptfoo import import_promptfoo
from pipex_core.evals.interchange import Mapped, import_records
from pipex_core.evals.recordfile import records_of
from pipex_core.evals.suiteshape import suite_id
from pipex_core.jsonvalue import Json, digest_bytes
from pipex_core.registry import nearest
from pipex_core.spec.yaml_text import read_yaml

formats: Final = (
    *("promptfoo", "deepeval", "inspect", "lm-eval", "openai-evals", "pydantic-evals", "ragas"),
    "records",
)
records_seen: Final = 5


def import_suite_file(  # noqa: PLR0913 - a file and how to read it, all named
    data: bytes,
    *,
    file: str,
    suite: str,
    sibling: Sibling,
    form: str = "auto",
    preset: str | None = None,
    mapping: Mapped | None = None,
    id_prefix: str = "case",
    limit: int | None = None,
) -> Imported:
    """A suite of a file in any of ``formats``; nothing in it is executed.

    Args:
        data: The file.
        file: Its name, for provenance and messages.
        suite: Id of the new suite.
        sibling: Reads a file that this one names, relative to it.
        form: One of ``formats``, or ``auto``: told by the content. A preset or a mapping means
            ``records``.
        preset: As ``import_records``.
        mapping: As ``import_records``.
        id_prefix: Of ids made from content.
        limit: Most cases.

    Raises:
        ConfigError: ``unknown_format``, ``not_records``, ``bad_id``, ``unsupported_feature``, or what
            ``sibling`` raises.
        SpecError: The YAML cannot be read.
        ExpressionError: A mapping cannot be parsed.
    """
    if not suite_id.fullmatch(suite):
        raise ConfigError(f"{suite!r} cannot be the id of a suite", code="bad_id")
    chosen = "records" if preset or mapping else form
    if chosen == "auto":
        chosen = detect(data)
    if chosen == "records":
        return import_records(
            data,
            file=file,
            suite=suite,
            mapping=mapping,
            preset=preset,
            id_prefix=id_prefix,
            limit=limit,
        )
    if chosen not in _importers:
        near = nearest(chosen, formats)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"there is no format {chosen!r}{hint} (known: auto, {', '.join(formats)})"
        raise ConfigError(message, code="unknown_format")
    maker = Maker(form=chosen, file=file, sha256=digest_bytes(data), prefix=id_prefix, limit=limit)
    return _importers[chosen](data, file, suite, maker, sibling)


def detect(data: bytes) -> str:
    """The format of a file by what is in it; ``records`` when nothing else fits."""
    if data.startswith(b"PAR1"):
        return "records"
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    if "!function" in text and "doc_to_" in text:
        return "lm-eval"
    if "__expected" in text.partition("\n")[0]:
        return "promptfoo"
    document = _document(data)
    if isinstance(document, Mapping):
        found = _of_map(document)
        if found is not None:
            return found
    return _of_rows(data)


def _of_map(document: Mapping[str, Json]) -> str | None:
    keys = document.keys()
    inside = document.get("results")
    if isinstance(inside, Mapping) and isinstance(inside.get("results"), list):
        return "promptfoo"
    if keys & {"tests", "scenarios", "defaultTest"} and keys & {"prompts", "providers", "tests"}:
        return "promptfoo"
    if "doc_to_text" in keys or ("task" in keys and "dataset_path" in keys):
        return "lm-eval"
    if isinstance(document.get("cases"), list) and any(
        isinstance(one, Mapping) and "inputs" in one for one in document["cases"]
    ):
        return "pydantic-evals"
    classes = [one.get("class") for one in document.values() if isinstance(one, Mapping)]
    if any(isinstance(one, str) and ":" in one for one in classes):
        return "openai-evals"
    return None


def _of_rows(data: bytes) -> str:
    try:
        rows = [row for _, row in zip(range(records_seen), _rows(data), strict=False)]
    except ConfigError:
        return "records"
    names: set[str] = set()
    for row in rows:
        names |= row.keys() if isinstance(row, Mapping) else set()
    for form, marks in _marks:
        if any(mark <= names for mark in marks):
            return form
    return "records"


_marks: Final[tuple[tuple[str, tuple[frozenset[str], ...]], ...]] = (
    ("lm-eval", (frozenset({"doc_id", "resps"}), frozenset({"doc", "arguments", "target"}))),
    ("promptfoo", (frozenset({"vars", "assert"}), frozenset({"vars", "description"}))),
    ("openai-evals", (frozenset({"input", "ideal"}),)),
    ("inspect", (frozenset({"input", "target"}),)),
    (
        "ragas",
        (
            frozenset({"user_input", "reference"}),
            frozenset({"user_input", "response"}),
            frozenset({"question", "contexts", "ground_truth"}),
            frozenset({"question", "contexts", "answer"}),
        ),
    ),
    (
        "deepeval",
        (
            frozenset({"input", "actual_output"}),
            frozenset({"input", "actualOutput"}),
            frozenset({"input", "expectedOutput"}),
            frozenset({"input", "expected_output", "retrieval_context"}),
            frozenset({"input", "additional_metadata"}),
            frozenset({"scenario", "turns"}),
        ),
    ),
)


def _document(data: bytes) -> Json:
    try:
        return read_yaml(data, "").value
    except SpecError:
        return None


def _rows(data: bytes) -> Iterator[Json]:
    return (row for _, row in records_of(data, []))


def _promptfoo(data: bytes, file: str, suite: str, maker: Maker, sibling: Sibling) -> Imported:
    first = data.decode("utf-8-sig", "replace").partition("\n")[0]
    if "__expected" in first or (file.endswith((".csv", ".tsv")) and "," in first):
        tests: Json = [row for _, row in records_of(data, maker.dropped)]
    elif file.endswith(".jsonl"):
        tests = [row for _, row in records_of(data, maker.dropped)]
    else:
        tests = read_yaml(data, file).value
    return import_promptfoo(tests, maker, suite=suite, sibling=sibling)


def _goldens(name: str) -> "Importer":
    def importer(data: bytes, file: str, suite: str, maker: Maker, sibling: Sibling) -> Imported:
        del file, sibling
        return import_goldens(name, records_of(data, maker.dropped), maker, suite=suite)

    return importer


def _lm_eval(data: bytes, file: str, suite: str, maker: Maker, sibling: Sibling) -> Imported:
    text = data.decode("utf-8-sig", "replace")
    if text.lstrip().startswith("{") and '"resps"' in text:
        return import_samples(records_of(data, maker.dropped), maker, suite=suite)
    return import_task(text, maker, file=file, suite=suite, sibling=sibling)


def _openai(data: bytes, file: str, suite: str, maker: Maker, sibling: Sibling) -> Imported:
    del file
    document = _document(data)
    if isinstance(document, Mapping) and "input" not in document:
        return import_openai_registry(document, maker, suite=suite, sibling=sibling)
    return import_openai_samples(records_of(data, maker.dropped), maker, suite=suite)


def _pydantic(data: bytes, file: str, suite: str, maker: Maker, sibling: Sibling) -> Imported:
    del sibling
    return import_pydantic(read_yaml(data, file).value, maker, suite=suite)


Importer = Callable[[bytes, str, str, Maker, Sibling], Imported]
_importers: Final[Mapping[str, Importer]] = MappingProxyType(
    {
        "promptfoo": _promptfoo,
        "deepeval": _goldens("deepeval"),
        "inspect": _goldens("inspect"),
        "ragas": _goldens("ragas"),
        "lm-eval": _lm_eval,
        "openai-evals": _openai,
        "pydantic-evals": _pydantic,
    }
)
