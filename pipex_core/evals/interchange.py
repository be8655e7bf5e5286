"""Cases from other people's files and back, each with a report of what could not be carried over.

An importer never guesses silently: a record that makes no case is listed with its line, a field that no
mapping reads is listed too. A mapping is an expression per case field over the fields of a record; it
runs no code. Formats are told by content, not by the ending of a name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.foreign import Imported, Maker
from pipex_core.evals.lossreport import LossReport
from pipex_core.evals.recordfile import records_of
from pipex_core.evals.suite import Suite
from pipex_core.evals.suitefile import dump_json, dump_lines, dump_yaml
from pipex_core.evals.suiteshape import case_fields, suite_data, suite_id
from pipex_core.expressions.evaluate import evaluate
from pipex_core.expressions.reading import checked, read_expression
from pipex_core.expressions.scope import Scope
from pipex_core.jsonvalue import Json, digest_bytes, parse
from pipex_core.registry import nearest

ExportFormat = Literal["jsonl", "json", "yaml"]
Mapped = Mapping[str, str]


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
        preset: One of ``presets``.
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
    rules = checked_mapping({**(chosen.mapping if chosen else {}), **(mapping or {})})
    maker = Maker(form="records", file=file, sha256=digest_bytes(data), prefix=id_prefix)
    mapper = Mapper(rules)
    for where, record in records_of(data, maker.dropped):
        if limit is not None and len(maker.cases) >= limit:
            break
        for one in chosen.unfold(record) if chosen else (record,):
            _take(maker, mapper, where, one)
    return maker.imported(suite, lossy=sorted(mapper.unread))


class Mapper:
    """Records -> fields of cases by the rules of a mapping; remembers what no rule reads."""

    def __init__(self, rules: Mapped) -> None:
        self.unread: set[str] = set()
        self._rules = rules
        self._read = {
            use.root for text in rules.values() for use in read_expression(text).references
        }

    def mapped(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """The fields of a case; raises ``ExpressionError`` where a rule cannot be applied."""
        if not self._rules:
            self.unread |= {name for name in record if name not in case_fields}
            return {
                name: _decoded(value) if name in _structured else value
                for name, value in record.items()
                if name in case_fields
            }
        if "record" not in self._read:
            self.unread |= record.keys() - self._read - {"id"}
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


def _take(maker: Maker, mapper: Mapper, where: str, record: Json) -> None:
    if not isinstance(record, Mapping):
        maker.drop(where, "the record is no map")
        return
    try:
        data = mapper.mapped(record)
    except ExpressionError as exc:
        maker.drop(where, exc.message)
        return
    maker.make(where, data)


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


def checked_mapping(rules: Mapped) -> Mapped:
    """The rules as they are.

    Raises:
        ConfigError: ``unknown_field``, a case has no such field.
        ExpressionError: An expression cannot be parsed.
    """
    for name, expression in rules.items():
        head, _, inside = name.partition(".")
        if head not in case_fields or (inside and head not in ("metadata", "input")):
            near = nearest(head, case_fields)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ConfigError(f"a case has no field {name!r}{hint}", code="unknown_field")
        checked(expression)
    return rules


_structured: Final = frozenset(
    {
        *("metadata", "tags", "version", "choices", "expected_tools", "relevant_ids", "metrics"),
        *("weight", "attachments", "source"),
    }
)


def _decoded(value: Json) -> Json:
    """The JSON value that a cell of a table spells for a field that is no text."""
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        return value


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
        "mlflow": Preset(
            mapping={
                "id": "dataset_record_id",
                "input": "inputs",
                "expected_output": "coalesce(expectations.expected_response, expectations)",
                "metadata.tags": "tags",
            }
        ),
        "langsmith": Preset(
            mapping={
                "id": "id",
                "input": "inputs",
                "expected_output": "coalesce(outputs.answer, outputs.output, outputs)",
                "metadata.example": "metadata",
            }
        ),
        "langfuse": Preset(
            mapping={
                "id": "id",
                "input": "input",
                "expected_output": "coalesce(expectedOutput, expected_output)",
                "metadata.item": "metadata",
            }
        ),
        "braintrust": Preset(
            mapping={
                "id": "id",
                "input": "input",
                "expected_output": "expected",
                "metadata.record": "metadata",
                "tags": "tags",
            }
        ),
    }
)
