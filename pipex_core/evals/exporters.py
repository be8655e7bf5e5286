"""Suites in the formats of other tools, each with a report of what the format cannot hold.

A case without an entry in the report comes back with the same ``case_hash`` when the file is imported
again.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast, get_args

from pipex_core.errors import ConfigError
from pipex_core.evals.interchange import Exported, ExportFormat, export_suite as export_native
from pipex_core.evals.lossreport import Loss, LossReport
from pipex_core.evals.suite import Case, Suite
from pipex_core.evals.suiteshape import case_data, suite_data
from pipex_core.jsonvalue import Json, compact
from pipex_core.registry import nearest
from pipex_core.spec.yaml_writing import write_yaml

formats: Final = (
    *("jsonl", "json", "yaml", "csv", "promptfoo", "deepeval", "inspect", "openai-evals", "ragas"),
)


def export_suite_as(suite: Suite, form: str) -> Exported:
    """The suite as one text of a format.

    Raises:
        ConfigError: ``unknown_format``.
    """
    if form in get_args(ExportFormat):
        return export_native(suite, cast("ExportFormat", form))
    if form not in _writers:
        near = nearest(form, formats)
        hint = f"; did you mean {near!r}?" if near else ""
        message = f"there is no format {form!r}{hint} (known: {', '.join(formats)})"
        raise ConfigError(message, code="unknown_format")
    keeper = _Keeper()
    text = _writers[form](suite.cases, keeper)
    count = len(suite.cases)
    lossy = {name for name in suite_data(suite) if name not in ("schema", "id", "version")}
    report = LossReport(
        format=form,
        n_in=count,
        n_out=count,
        unsupported=tuple(keeper.losses),
        lossy_fields=tuple(sorted(keeper.lossy | lossy)),
    )
    return Exported(text=text, report=report)


class _Keeper:
    """What became of each case."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []
        self.lossy: set[str] = set()

    def lose(self, case: Case, feature: str, effect: str) -> None:
        self.losses.append(Loss(where=f"case {case.id}", feature=feature, effect=effect))

    def unheld(self, case: Case, held: Iterable[str]) -> None:
        """Note the fields of the case that the format has no place for."""
        present = case_data(case).keys() - {"id", "input", *held}
        for name in sorted(present & _hashed):
            self.lose(case, name, "the format has no place for it")
        self.lossy |= present - _hashed


_hashed: Final = frozenset(
    {"context", "choices", "expected_output", "expected_tools", "relevant_ids", "attachments"}
)


_texts: Final = frozenset({"input", "expected_output", "context", "name"})


def _csv(cases: Sequence[Case], keeper: _Keeper) -> str:
    """Every field as a column; texts as they are, everything else as JSON."""
    names = [*dict.fromkeys(name for case in cases for name in case_data(case))] or ["id", "input"]
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\r\n")
    writer.writerow(names)
    for case in cases:
        data = case_data(case)
        for name in data.keys() & _texts:
            value = data[name]
            if not isinstance(value, str):
                keeper.lose(case, name, "written as JSON text")
            elif value == "":
                keeper.lose(case, name, "an empty cell says nothing")
        writer.writerow([_cell(data.get(name)) for name in names])
    return sink.getvalue()


def _cell(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else compact(value)


def _promptfoo(cases: Sequence[Case], keeper: _Keeper) -> str:
    tests = []
    for case in cases:
        test: dict[str, Json] = {"vars": _variables(case, keeper)}
        if case.name:
            test["description"] = case.name
        reference = case.expected_output
        if isinstance(reference, str):
            test["assert"] = [{"type": "equals", "value": reference}]
        elif reference is not None:
            keeper.lose(case, "expected_output", "an assertion compares with one text")
        if case.metadata:
            test["metadata"] = dict(case.metadata)
        keeper.unheld(case, ("expected_output", "metadata", "name"))
        tests.append(test)
    return write_yaml({"prompts": ["{{ input }}"], "tests": tests})


def _variables(case: Case, keeper: _Keeper) -> dict[str, Json]:
    if not isinstance(case.input, Mapping):
        keeper.lose(case, "input", "it became the variable `input`")
        return {"input": case.input}
    for name, value in case.input.items():
        if isinstance(value, list) or (isinstance(value, str) and value.startswith("file://")):
            keeper.lose(case, f"input.{name}", "promptfoo would expand it")
    return dict(case.input)


def _deepeval(cases: Sequence[Case], keeper: _Keeper) -> str:
    goldens = []
    for case in cases:
        golden: dict[str, Json] = {}
        if isinstance(case.input, list):
            golden["turns"] = case.input
        else:
            golden["input"] = _text_input(case, keeper)
        golden["expected_output"] = _text_reference(case, keeper)
        if case.context is not None:
            _listed_context(case, keeper)
            golden["context"] = (
                [case.context] if isinstance(case.context, str) else list(case.context)
            )
        if case.expected_tools is not None:
            golden["expected_tools"] = [
                {
                    "name": tool["name"],
                    **({"input_parameters": tool["arguments"]} if "arguments" in tool else {}),
                }
                for tool in case.expected_tools
            ]
        if case.name:
            golden["name"] = case.name
        if case.metadata:
            golden["additional_metadata"] = dict(case.metadata)
        keeper.unheld(case, ("expected_output", "context", "expected_tools", "name", "metadata"))
        goldens.append({name: value for name, value in golden.items() if value is not None})
    return _json(goldens)


def _inspect(cases: Sequence[Case], keeper: _Keeper) -> str:
    samples = []
    for case in cases:
        sample: dict[str, Json] = {"id": case.id}
        if isinstance(case.input, list):
            sample["input"] = case.input
        else:
            sample["input"] = _text_input(case, keeper)
        sample["target"] = _alternatives(case, keeper)
        if case.choices is not None:
            sample["choices"] = list(case.choices)
        if case.metadata:
            sample["metadata"] = dict(case.metadata)
        keeper.unheld(case, ("expected_output", "choices", "metadata"))
        samples.append({name: value for name, value in sample.items() if value is not None})
    return _lines(samples)


def _openai(cases: Sequence[Case], keeper: _Keeper) -> str:
    samples = []
    for case in cases:
        sample: dict[str, Json] = {
            "id": case.id,
            "input": case.input if isinstance(case.input, list) else _text_input(case, keeper),
            "ideal": _alternatives(case, keeper),
        }
        if case.metadata:
            sample["metadata"] = dict(case.metadata)
        keeper.unheld(case, ("expected_output", "metadata"))
        samples.append({name: value for name, value in sample.items() if value is not None})
    return _lines(samples)


def _ragas(cases: Sequence[Case], keeper: _Keeper) -> str:
    samples = []
    for case in cases:
        sample: dict[str, Json] = {}
        if isinstance(case.input, list):
            keeper.lose(case, "input", "turns come back with other names of the speakers")
            sample["user_input"] = case.input
        else:
            sample["user_input"] = _text_input(case, keeper)
        sample["reference"] = _text_reference(case, keeper)
        if case.context is not None:
            _listed_context(case, keeper)
            sample["retrieved_contexts"] = (
                [case.context] if isinstance(case.context, str) else list(case.context)
            )
        if case.expected_tools is not None:
            sample["reference_tool_calls"] = [
                {
                    "name": tool["name"],
                    **({"args": tool["arguments"]} if "arguments" in tool else {}),
                }
                for tool in case.expected_tools
            ]
        keeper.unheld(case, ("expected_output", "context", "expected_tools"))
        samples.append({name: value for name, value in sample.items() if value is not None})
    return _lines(samples)


def _text_input(case: Case, keeper: _Keeper) -> str:
    if isinstance(case.input, str):
        if not case.input or case.input.lstrip().startswith(("[", "{")):
            keeper.lose(case, "input", "it would be read as nothing, or as JSON")
        return case.input
    keeper.lose(case, "input", "written as JSON text")
    return compact(case.input)


def _text_reference(case: Case, keeper: _Keeper) -> Json:
    reference = case.expected_output
    if reference is None:
        return None
    if isinstance(reference, str):
        if not reference or reference.lstrip().startswith(("[", "{")):
            keeper.lose(case, "expected_output", "it would be read as nothing, or as JSON")
        return reference
    keeper.lose(case, "expected_output", "written as JSON text; the format has one text")
    return compact(reference)


def _alternatives(case: Case, keeper: _Keeper) -> Json:
    reference = case.expected_output
    is_texts = isinstance(reference, list) and all(isinstance(one, str) for one in reference)
    return reference if is_texts and reference else _text_reference(case, keeper)


def _listed_context(case: Case, keeper: _Keeper) -> None:
    if isinstance(case.context, str):
        keeper.lose(case, "context", "one text became a list of one")


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _lines(values: Iterable[Json]) -> str:
    return "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)


_writers: Final[Mapping[str, Callable[[Sequence[Case], _Keeper], str]]] = MappingProxyType(
    {
        "csv": _csv,
        "promptfoo": _promptfoo,
        "deepeval": _deepeval,
        "inspect": _inspect,
        "openai-evals": _openai,
        "ragas": _ragas,
    }
)
