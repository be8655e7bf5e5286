"""Cases of DeepEval, Inspect and Ragas: records with known names of fields.

Each format is a table of fields; what its files cannot say without doubt (lists joined by ``|``, JSON or
Python literals in cells) is taken apart here and noted as lossy.
"""

import ast
import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from pipex_core.evals.foreign import Imported, Maker
from pipex_core.jsonvalue import Json, parse

Row = Mapping[str, Json]
Taken = tuple[dict[str, Json], Json]  # fields of a case, recorded answer
recorded_name: Final = "recorded"


def import_goldens(
    form: str,
    rows: Iterable[tuple[str, Json]],
    maker: Maker,
    *,
    suite: str,
) -> Imported:
    """The suite of records of one of the formats in ``formats``.

    Args:
        form: ``deepeval``, ``inspect`` or ``ragas``.
        rows: Records with the place where each stands.
        maker: Makes the cases.
        suite: Its id.
    """
    for where, row in rows:
        if not isinstance(row, Mapping):
            maker.drop(where, "the record is no map")
            continue
        present = {name: value for name, value in row.items() if value not in (None, "")}
        fields, answer = formats[form](present, where, maker)
        case = maker.make(where, fields)
        if case is not None and answer is not None:
            maker.answer(recorded_name, case, answer)
    return maker.imported(suite)


def _deepeval(row: Row, where: str, maker: Maker) -> Taken:
    named = {_deepeval_names.get(name, name): value for name, value in row.items()}
    metadata = dict(_object(named.get("additional_metadata")))
    for name in ("comments", "source_file", "scenario", "expected_outcome", "user_description"):
        if name in named:
            metadata[name] = named[name]
    metadata |= _object(named.get("custom_column_key_values"))
    contexts = [
        _joined(named[name], name, where, maker)
        for name in ("context", "retrieval_context")
        if name in named
    ]
    if len(contexts) > 1 and contexts[0] != contexts[1]:
        maker.lossy |= {"retrieval_context"}
        metadata["retrieval_context"] = contexts[1]
    turns = named.get("turns")
    for name in sorted(named.keys() - _deepeval_read):
        maker.lossy |= {name}
    fields = {
        "name": named.get("name"),
        "input": _turns(turns) if turns else named.get("input"),
        "expected_output": named.get("expected_output"),
        "context": contexts[0] if contexts else None,
        "expected_tools": _tools(named.get("expected_tools"), where, maker),
        "metadata": metadata or None,
    }
    if "tools_called" in named:
        maker.lossy |= {"tools_called"}
    return fields, named.get("actual_output")


def _inspect(row: Row, where: str, maker: Maker) -> Taken:
    metadata = dict(_object(row.get("metadata")))
    for name in ("sandbox", "files", "setup"):
        if name in row:
            metadata[name] = _cell(row[name])
            maker.unsupported(where, name, "kept in the metadata; no sandbox is set up")
    for name in sorted(row.keys() - _inspect_read):
        maker.lossy |= {name}
    given = _cell(row.get("input"))
    target = _cell(row.get("target"))
    fields = {
        "id": row.get("id"),
        "input": given if isinstance(given, list) else row.get("input"),
        "expected_output": target if isinstance(target, list) else row.get("target"),
        "choices": _texts(row.get("choices")),
        "metadata": metadata or None,
    }
    return fields, None


def _ragas(row: Row, where: str, maker: Maker) -> Taken:
    named = {_ragas_names.get(name, name): value for name, value in row.items()}
    metadata = {"rubrics": _cell(named["rubrics"])} if "rubrics" in named else {}
    if "reference_contexts" in named:
        metadata["reference_contexts"] = _cell(named["reference_contexts"])
    for name in sorted(named.keys() - _ragas_read):
        maker.lossy |= {name}
    asked = _cell(named.get("user_input"))
    fields = {
        "input": _turns(asked) if isinstance(asked, list) else named.get("user_input"),
        "expected_output": _reference(named.get("reference")),
        "context": _texts(named.get("retrieved_contexts")),
        "expected_tools": _tools(named.get("reference_tool_calls"), where, maker),
        "metadata": metadata or None,
    }
    return fields, named.get("response")


formats: Final[Mapping[str, Callable[[Row, str, Maker], Taken]]] = MappingProxyType(
    {"deepeval": _deepeval, "inspect": _inspect, "ragas": _ragas}
)

_deepeval_names: Final = {
    "expectedOutput": "expected_output",
    "actualOutput": "actual_output",
    "retrievalContext": "retrieval_context",
    "toolsCalled": "tools_called",
    "expectedTools": "expected_tools",
    "additionalMetadata": "additional_metadata",
    "sourceFile": "source_file",
    "customColumnKeyValues": "custom_column_key_values",
    "expectedOutcome": "expected_outcome",
    "userDescription": "user_description",
}
_deepeval_read: Final = frozenset(
    {
        *("input", "expected_output", "actual_output", "context", "retrieval_context"),
        *("tools_called", "expected_tools", "additional_metadata", "comments", "name"),
        *("source_file", "custom_column_key_values", "turns", "scenario", "expected_outcome"),
        "user_description",
    }
)
_inspect_read: Final = frozenset(
    {"id", "input", "target", "choices", "metadata", "sandbox", "files", "setup"}
)
_ragas_names: Final = {
    "question": "user_input",
    "contexts": "retrieved_contexts",
    "ground_truth": "reference",
    "ground_truths": "reference",
    "answer": "response",
}
_ragas_read: Final = frozenset(
    {
        *("user_input", "retrieved_contexts", "reference", "response", "rubrics"),
        *("reference_tool_calls", "reference_contexts"),
    }
)


def _cell(value: Json) -> Json:
    """The list or map that a cell spells as JSON or as a Python literal; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return parse(value)
    except ValueError:
        pass
    try:
        found = ast.literal_eval(value.strip())
        json.dumps(found, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return value
    return found if isinstance(found, list | dict) else value


def _texts(value: Json) -> list[Json] | None:
    found = _cell(value)
    if found is None:
        return None
    return found if isinstance(found, list) else [found]


def _joined(value: Json, name: str, where: str, maker: Maker) -> Json:
    """A context: a list stays one; a text with ``|`` was one before it was written as text."""
    found = _cell(value)
    if isinstance(found, str) and "|" in found:
        maker.lossy |= {name}
        maker.unsupported(where, name, "split at |, which may also be part of a text")
        return [part.strip() for part in found.split("|") if part.strip()]
    return found if isinstance(found, list) else [found]


def _tools(value: Json, where: str, maker: Maker) -> list[Json] | None:
    found = _cell(value)
    if found is None:
        return None
    if isinstance(found, str):
        maker.unsupported(where, "tools", "split at ;, names only")
        return [{"name": name.strip()} for name in found.split(";") if name.strip()]
    tools: list[Json] = []
    for one in found if isinstance(found, list) else [found]:
        name = one.get("name") if isinstance(one, Mapping) else one
        arguments = _arguments(one) if isinstance(one, Mapping) else None
        if not isinstance(name, str):
            maker.unsupported(where, "tools", "a tool call without a name is left out")
            continue
        tools.append(
            {"name": name} if arguments is None else {"name": name, "arguments": arguments}
        )
    return tools


def _arguments(call: Row) -> Json:
    names = ("arguments", "args", "input_parameters", "inputParameters")
    found = next((call[name] for name in names if call.get(name) is not None), None)
    return found if isinstance(found, Mapping) else None


def _object(value: Json) -> Row:
    found = _cell(value)
    return found if isinstance(found, Mapping) else {}


def _turns(value: Json) -> Json:
    """Turns of a conversation as messages; ragas calls the speakers ``human`` and ``ai``."""
    found = _cell(value)
    if not isinstance(found, list):
        return found
    turns: list[Json] = []
    for one in found:
        if not isinstance(one, Mapping):
            return found
        role = one.get("role") or one.get("type")
        spoken = {"human": "user", "ai": "assistant"}
        turns.append({"role": spoken.get(str(role), role), "content": one.get("content")})
    return turns


def _reference(value: Json) -> Json:
    found = _cell(value)
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return found[0] if len(found) == 1 else found
    return value
