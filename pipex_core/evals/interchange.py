"""Cases from other people's files and back, each with a report of what could not be carried over.

An importer never guesses silently: a record that makes no case is listed with its line, a field that no
mapping reads is listed too. A mapping is an expression per case field over the fields of a record; it
runs no code. Formats are told by content, not by the ending of a name.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.lossreport import Loss, LossReport
from pipex_core.evals.suite import Case, Suite, hashes
from pipex_core.evals.suitefile import dump_json, dump_lines, dump_yaml
from pipex_core.evals.suiteshape import case_fields, case_id, read_case, suite_data, suite_id
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.reading import checked, read_expression
from pipex_core.expressions.scope import Scope
from pipex_core.jsonvalue import Json, canonical, digest_bytes, parse, short
from pipex_core.registry import nearest

ExportFormat = Literal["jsonl", "json", "yaml"]
Mapped = Mapping[str, str]
Records = Iterator[tuple[str, Json]]  # where it stands, such as ``line 3``


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A suite made of another file."""

    suite: Suite
    report: LossReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A suite as the text of another format."""

    text: str
    report: LossReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How a known data set becomes cases.

    Attributes:
        mapping: Expression per case field.
        unfold: Turns one record of the file into the records that the mapping reads.
    """

    mapping: Mapped
    unfold: Callable[[Json], Iterator[Json]] = field(default=lambda record: iter((record,)))


def import_records(  # noqa: PLR0913 - a file and how to read it, all named
    data: bytes,
    *,
    file: str,
    suite: str,
    mapping: Mapped | None = None,
    preset: str | None = None,
    id_prefix: str = "case",
    limit: int | None = None,
) -> Imported:
    """A suite from JSON, JSON lines, CSV or Parquet.

    Args:
        data: The file.
        file: Its name, for provenance.
        suite: Id of the new suite.
        mapping: Case field or path such as ``metadata.topic`` to an expression over a record's
            fields; overrides the preset field by field. Without mapping and preset, fields that are
            case fields are taken as they are.
        preset: ``gsm8k`` or ``squad``.
        id_prefix: Of ids made from content, where the source has none that can serve.
        limit: Most cases, counted after dropping.

    Raises:
        ConfigError: ``unknown_preset``, ``unknown_field``, ``bad_id`` of the suite, or
            ``not_records``, the file is none of these formats.
        ExpressionError: A mapping cannot be parsed.
    """
    if not suite_id.fullmatch(suite):
        raise ConfigError(f"{suite!r} cannot be the id of a suite", code="bad_id")
    chosen = _preset(preset)
    rules = _checked_mapping({**(chosen.mapping if chosen else {}), **(mapping or {})})
    found = _Import(file=file, sha256=digest_bytes(data), rules=rules, prefix=id_prefix)
    for where, record in _records(data, found.dropped):
        if limit is not None and len(found.cases) >= limit:
            break
        for one in chosen.unfold(record) if chosen else (record,):
            found.take(where, one)
    cases = tuple(sorted(found.cases, key=lambda case: case.id))
    return Imported(suite=Suite(id=suite, cases=cases), report=found.report())


def export_suite(suite: Suite, format: ExportFormat) -> Exported:  # noqa: A002 - the flag's name
    """The suite as one text; JSON lines hold the cases only."""
    lossy: tuple[str, ...] = ()
    if format == "jsonl":
        lossy = tuple(name for name in suite_data(suite) if name not in ("schema", "id"))
    text = _writers[format](suite)
    count = len(suite.cases)
    report = LossReport(format=format, n_in=count, n_out=count, lossy_fields=lossy)
    return Exported(text=text, report=report)


_writers: Final[Mapping[ExportFormat, Callable[[Suite], str]]] = MappingProxyType(
    {
        "jsonl": lambda suite: dump_lines(suite.cases),
        "json": dump_json,
        "yaml": dump_yaml,
    }
)


def _preset(name: str | None) -> Preset | None:
    if name is None:
        return None
    if name not in presets:
        near = nearest(name, presets)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"there is no preset {name!r}{hint} (known: {', '.join(presets)})"
        raise ConfigError(message, code="unknown_preset")
    return presets[name]


def _checked_mapping(rules: Mapped) -> Mapped:
    for name, expression in rules.items():
        head, _, inside = name.partition(".")
        if head not in case_fields or (inside and head not in ("metadata", "input")):
            near = nearest(head, case_fields)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ConfigError(f"a case has no field {name!r}{hint}", code="unknown_field")
        checked(expression)
    return rules


class _Import:
    """Cases and losses while a file is read."""

    def __init__(self, *, file: str, sha256: str, rules: Mapped, prefix: str) -> None:
        self.cases: list[Case] = []
        self.dropped: list[Loss] = []
        self._source = {"format": "records", "file": file, "sha256": sha256}
        self._rules = rules
        self._prefix = prefix
        self._ids: set[str] = set()
        self._made: Counter[str] = Counter()
        self._renamed: list[tuple[str, str]] = []
        self._unread: set[str] = set()
        self._read = {
            use.root for text in rules.values() for use in read_expression(text).references
        }
        self._count = 0

    def take(self, where: str, record: Json) -> None:
        """Make a case of a record, or note why not."""
        self._count += 1
        if not isinstance(record, Mapping):
            self.dropped.append(Loss(where=where, effect="the record is no map"))
            return
        try:
            data = self._mapped(record)
        except ExpressionError as exc:
            self.dropped.append(Loss(where=where, effect=exc.message))
            return
        wanted = data.pop("id", None)
        data["source"] = {**self._source, "line": int(where.split()[1])}
        case, findings = read_case({"id": "x", **data}, path="")
        if case is None:
            effect = "; ".join(finding.message for finding in findings)
            self.dropped.append(Loss(where=where, effect=effect))
            return
        self.cases.append(replace(case, id=self._id(wanted, case)))

    def report(self) -> LossReport:
        """What became of the records."""
        unreadable = sum(one.feature == "unreadable" for one in self.dropped)
        return LossReport(
            format="records",
            n_in=self._count + unreadable,
            n_out=len(self.cases),
            dropped=tuple(self.dropped),
            renamed_ids=tuple(self._renamed),
            lossy_fields=tuple(sorted(self._unread)),
        )

    def _mapped(self, record: Mapping[str, Json]) -> dict[str, Json]:
        if not self._rules:
            self._unread |= {name for name in record if name not in case_fields}
            return {name: value for name, value in record.items() if name in case_fields}
        if "record" not in self._read:
            self._unread |= record.keys() - self._read - {"id"}
        scope = Scope(local={"record": record, **record})
        found: dict[str, Json] = {}
        if "id" not in self._rules and "id" in record:
            found["id"] = record["id"]
        for name, expression in self._rules.items():
            value = evaluate(expression, scope, mode="lenient")
            head, _, inside = name.partition(".")
            if not inside:
                found[name] = value
            elif value is not None:
                found[head] = {**found.get(head, {}), inside: value}
        return found

    def _id(self, wanted: Json, case: Case) -> str:
        """The source's id when it can serve, else one made from the content."""
        text = str(wanted) if isinstance(wanted, int | str) and not isinstance(wanted, bool) else ""
        if case_id.fullmatch(text) and text not in self._ids:
            self._ids.add(text)
            return text
        stem = f"{self._prefix}_{short(hashes(case).input_hash)}"
        made = stem
        while made in self._ids:
            self._made[stem] += 1
            made = f"{stem}-{self._made[stem] + 1}"
        self._ids.add(made)
        if wanted is not None:
            self._renamed.append((str(wanted), made))
        return made


def _records(data: bytes, dropped: list[Loss]) -> Records:
    """The records of a file with their line, or their number where lines mean nothing."""
    if data.startswith(b"PAR1"):
        return _numbered(_of_parquet(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"the file is not UTF-8: {exc.reason}", code="not_records") from exc
    start = text.lstrip()[:1]
    if start == "[":
        return _numbered(_of_list(text))
    if start == "{":
        return _of_objects(text, dropped)
    if "," not in text.partition("\n")[0] and "\t" not in text.partition("\n")[0]:
        raise ConfigError(
            "the file is neither JSON, JSON lines, CSV nor Parquet", code="not_records"
        )
    return _of_csv(text)


def _numbered(records: Iterable[Json]) -> Records:
    return ((f"record {number}", record) for number, record in enumerate(records, 1))


def _of_parquet(data: bytes) -> Iterator[Json]:
    try:
        rows = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False).to_pylist()
    except pa.ArrowException as exc:
        raise ConfigError(f"not a readable Parquet file: {exc}", code="not_records") from exc
    for row in rows:
        # Times and decimals have no place in JSON; their text says the same.
        yield {name: value if _is_json(value) else str(value) for name, value in row.items()}


def _is_json(value: Json) -> bool:
    try:
        canonical(value)
    except (TypeError, ValueError):
        return False
    return True


def _of_list(text: str) -> Sequence[Json]:
    try:
        found = parse(text)
    except ValueError as exc:
        raise ConfigError(f"the file is not JSON: {exc}", code="not_records") from exc
    return list(found)


def _of_objects(text: str, dropped: list[Loss]) -> Records:
    """One object, or one per line; a broken line is noted and passed over."""
    try:
        yield "record 1", parse(text)
    except ValueError:
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            where = f"line {number}"
            try:
                record = parse(line)
            except ValueError as exc:
                dropped.append(Loss(where=where, effect=f"not JSON: {exc}", feature="unreadable"))
                continue
            yield where, record


def _of_csv(text: str) -> Records:
    """Rows of a CSV or TSV; an empty cell says nothing, so it is no text."""
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    for row in reader:
        yield (
            f"line {reader.line_num}",
            {name: cell or None for name, cell in row.items() if name is not None},
        )


def _unfold_squad(record: Json) -> Iterator[Json]:
    """The questions of a SQuAD file, of one of its articles, or a flat record as it is."""
    if not isinstance(record, Mapping):
        yield record
        return
    for article in _maps(record.get("data", [record])):
        if "paragraphs" not in article:
            yield {**article, "texts": _answers(article.get("answers"))}
        for paragraph in _maps(article.get("paragraphs")):
            for question in _maps(paragraph.get("qas")):
                yield {
                    **question,
                    "title": article.get("title"),
                    "context": paragraph.get("context"),
                    "texts": _answers(question.get("answers")),
                }


def _maps(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _answers(answers: Json) -> Json:
    """One text, several different ones, or the empty text of a question without an answer."""
    if isinstance(answers, Mapping):
        texts = answers.get("text") or []
    else:
        texts = [one.get("text") for one in _maps(answers)]
    different = list(dict.fromkeys(text for text in texts if isinstance(text, str)))
    return different if len(different) > 1 else (different or [""])[0]


presets: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "gsm8k": Preset(
            mapping={
                "input": "question",
                "expected_output": "trim(last(split(answer, '####')))",
                "metadata.solution": "answer",
            }
        ),
        "squad": Preset(
            mapping={
                "id": "id",
                "input.question": "question",
                "context": "context",
                "expected_output": "texts",
                "metadata.title": "title",
            },
            unfold=_unfold_squad,
        ),
    }
)
