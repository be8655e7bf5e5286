"""Suites of promptfoo: configurations, test files and CSV, and results as recorded answers.

Variables are the input of a case; a list of values makes a case per element of the product. Nothing is
executed: code in assertions, transforms and ``file://`` scripts is noted as unsupported.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipex_core.errors import ConfigError, ExpressionError, SpecError
from pipex_core.evals.foreign import Imported, Maker, Sibling
from pipex_core.evals.promptfoo_asserts import metrics_of, read_expected, split_cell
from pipex_core.evals.recordfile import records_of
from pipex_core.expressions.template import read_template
from pipex_core.jsonvalue import Json
from pipex_core.spec.yaml_text import read_yaml

code_endings: Final = (".py", ".js", ".ts", ".mjs", ".cjs", ".rb")
table_endings: Final = (".csv", ".tsv")
_test_fields: Final = frozenset({"vars", "assert", "description", "metadata"})
_config_fields: Final = frozenset(
    {
        *("prompts", "tests", "defaultTest", "scenarios", "assertionTemplates"),
        *("description", "tags", "$schema"),
    }
)


def import_promptfoo(document: Json, maker: Maker, *, suite: str, sibling: Sibling) -> Imported:
    """The suite of a configuration, of a list of tests, of rows of a CSV file, or of results."""
    if isinstance(document, list):
        document = {"tests": document}
    if not isinstance(document, Mapping):
        raise ConfigError("a promptfoo file holds a map or a list of tests", code="not_records")
    reader = _Reader(maker, sibling)
    results = _results(document)
    if results is not None:
        reader.results(results)
        return maker.imported(suite)
    return reader.config(document, suite)


class _Reader:
    def __init__(self, maker: Maker, sibling: Sibling) -> None:
        self._maker = maker
        self._sibling = sibling
        self._templates: Mapping[str, Json] = {}
        self._default: Mapping[str, Json] = {}

    def config(self, config: Mapping[str, Json], suite: str) -> Imported:
        self._templates = _map(config.get("assertionTemplates"))
        self._default = self._test(config.get("defaultTest"), "defaultTest")
        for name in sorted(config.keys() - _config_fields):
            self._maker.unsupported(name, name, "it is not part of a suite")
        for number, prompt in enumerate(self._prompts(config.get("prompts")), 1):
            self._prompt(number, prompt)
        for where, test in self._tests(config.get("tests"), "tests"):
            self.case(where, test)
        for at, scenario in enumerate(_list(config.get("scenarios"))):
            self._scenario(f"scenarios[{at}]", _map(scenario))
        fields = {"description": config.get("description"), "tags": _tags(config.get("tags"))}
        known = {name: value for name, value in fields.items() if value}
        return self._maker.imported(suite, fields=known)

    def case(
        self, where: str, test: Mapping[str, Json], shared: Mapping[str, Json] | None = None
    ) -> None:
        """The cases of one test."""
        for name in sorted(test.keys() - _test_fields):
            self._maker.unsupported(where, name, "a case has no such field")
        variables = {
            **_map(self._default.get("vars")), **_map((shared or {}).get("vars")), **_map(test.get("vars")),
        }  # fmt: skip
        asserts = [
            *_list(self._default.get("assert")), *_list((shared or {}).get("assert")), *_list(test.get("assert")),
        ]  # fmt: skip
        judged = metrics_of(
            asserts,
            self._templates,
            lambda feature, effect: self._maker.unsupported(where, feature, effect),
        )
        read = {name: self._variable(where, name, value) for name, value in variables.items()}
        metadata = {**_map(self._default.get("metadata")), **_map(test.get("metadata"))}
        for inputs in _product(read):
            self._maker.make(
                where,
                {
                    "name": test.get("description"),
                    "input": inputs,
                    "expected_output": judged.references[0] if judged.references else None,
                    "metadata": metadata or None,
                    "metrics": judged.metrics or None,
                },
            )

    def results(self, results: Sequence[Json]) -> None:
        """Cases of the tests that were run, each once, and what each provider answered."""
        cases: dict[str, Json] = {}
        for at, result in enumerate(results):
            where, row = f"results[{at}]", _map(result)
            test = _map(row.get("testCase")) or {"vars": row.get("vars")}
            key = repr(sorted(_map(test.get("vars")).items()))
            if key not in cases:
                before = len(self._maker.cases)
                self.case(where, {name: test[name] for name in test.keys() & _test_fields})
                made = self._maker.cases[before:]
                cases[key] = made[0] if len(made) == 1 else None
            output = _map(row.get("response")).get("output")
            if cases[key] is None or output is None:
                self._maker.unsupported(where, "response", "there is no answer to keep")
                continue
            self._maker.answer(
                _target_name(row), cases[key], output,
                latency_ms=row.get("latencyMs"), cost_usd=row.get("cost"),
            )  # fmt: skip

    def _tests(self, tests: Json, where: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
        if isinstance(tests, str):
            yield from self._file_of_tests(tests, where)
            return
        for at, test in enumerate(_list(tests)):
            here = f"{where}[{at}]"
            if isinstance(test, str):
                yield from self._file_of_tests(test, here)
            elif isinstance(test, Mapping):
                yield here, _from_row(test) if _is_row(test) else test
            else:
                self._maker.drop(here, "a test is a map")

    def _file_of_tests(self, name: str, where: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
        path = name.removeprefix("file://")
        if path.endswith(code_endings) or "://" in path or "*" in path:
            self._maker.unsupported(where, name, "tests made by code, by address or by pattern")
            return
        data = self._sibling(path)
        if path.endswith(table_endings):
            for line, row in records_of(data, self._maker.dropped):
                yield f"{line} of {path}", _from_row(_map(row))
        elif path.endswith(".jsonl"):
            for line, row in records_of(data, self._maker.dropped):
                yield f"{line} of {path}", _map(row)
        else:
            yield from self._tests(read_yaml(data, path).value, path)

    def _test(self, test: Json, where: str) -> Mapping[str, Json]:
        if isinstance(test, str):
            return _map(read_yaml(self._sibling(test.removeprefix("file://")), test).value)
        found = _map(test)
        for name in sorted(found.keys() - _test_fields):
            self._maker.unsupported(where, name, "a case has no such field")
        return found

    def _scenario(self, where: str, scenario: Mapping[str, Json]) -> None:
        for at, shared in enumerate(_list(scenario.get("config")) or [{}]):
            for inside, test in self._tests(scenario.get("tests"), f"{where}.tests"):
                self.case(f"{inside} with config[{at}]", test, _map(shared))

    def _variable(self, where: str, name: str, value: Json) -> Json:
        if not isinstance(value, str) or not value.startswith("file://"):
            return value
        path = value.removeprefix("file://")
        if path.endswith(code_endings):
            self._maker.unsupported(where, f"vars.{name}", "its value is made by code")
            return value
        data = self._sibling(path)
        try:
            if path.endswith((".yaml", ".yml", ".json")):
                return read_yaml(data, path).value
            return data.decode("utf-8")
        except (UnicodeDecodeError, SpecError):
            self._maker.unsupported(where, f"vars.{name}", "its file is no text")
            return value

    def _prompts(self, prompts: Json) -> Iterator[tuple[str | None, str]]:
        for prompt in [prompts] if isinstance(prompts, str) else _list(prompts):
            found = prompt if isinstance(prompt, Mapping) else {"raw": prompt}
            text = found.get("raw") or found.get("content") or found.get("id")
            if not isinstance(text, str):
                self._maker.unsupported("prompts", str(prompt), "it is no text")
                continue
            if text.startswith("file://"):
                path = text.removeprefix("file://").partition(":")[0]
                if path.endswith(code_endings):
                    self._maker.unsupported("prompts", text, "the prompt is made by code")
                    continue
                text = self._sibling(path).decode("utf-8")
            label = found.get("label")
            yield (label if isinstance(label, str) else None), text

    def _prompt(self, number: int, prompt: tuple[str | None, str]) -> None:
        label, text = prompt
        reason = _untranslatable(text)
        if reason is not None:
            self._maker.unsupported(f"prompts[{number - 1}]", "template", reason)
            return
        name = f"prompt-{number}" if label is None else _words(label)
        self._maker.targets[name] = {"kind": "prompt", "prompt": text}


def _untranslatable(text: str) -> str | None:
    if "{%" in text or "{#" in text:
        return "blocks of Nunjucks have no counterpart"
    try:
        read_template(text)
    except ExpressionError as exc:
        return exc.message
    return None


def _results(document: Mapping[str, Json]) -> Sequence[Json] | None:
    inside = document.get("results")
    found = inside.get("results") if isinstance(inside, Mapping) else inside
    return found if isinstance(found, list) else None


def _target_name(row: Mapping[str, Json]) -> str:
    provider = row.get("provider")
    name = (
        provider.get("label") or provider.get("id") if isinstance(provider, Mapping) else provider
    )
    prompt = f"-prompt-{row['promptIdx'] + 1}" if isinstance(row.get("promptIdx"), int) else ""
    return _words(f"{name or 'answers'}{prompt}")


def _words(text: str) -> str:
    return "".join(one if one.isalnum() or one in "-_." else "-" for one in text)[:100] or "prompt"


def _is_row(test: Mapping[str, Json]) -> bool:
    return any(name.startswith("__") for name in test)


def _from_row(row: Mapping[str, Json]) -> dict[str, Json]:
    """A test of the cells of a CSV file."""
    test: dict[str, Json] = {}
    variables: dict[str, Json] = {}
    asserts: dict[str, dict[str, Json]] = {}
    metadata: dict[str, Json] = {}
    for name, cell in row.items():
        if cell is None:
            continue
        if name.startswith("__metadata:"):
            key = name.removeprefix("__metadata:")
            metadata[key.removesuffix("[]")] = split_cell(cell) if key.endswith("[]") else cell
        elif name.startswith("__expected"):
            asserts[name] = {**read_expected(cell), **asserts.get(name, {})}
        elif name.startswith("__config:"):
            _, column, key = [*name.split(":", 2), "", ""][:3]
            asserts[column] = {**asserts.get(column, {}), key: _number(cell)}
        elif name in ("__description", "__prefix", "__suffix"):
            test[name.removeprefix("__")] = cell
        elif name.startswith("__"):
            test[name] = _number(cell)
        else:
            variables[name] = cell
    made = [one for one in asserts.values() if "type" in one]
    metric, threshold = test.pop("__metric", None), test.pop("__threshold", None)
    for one in made:
        one.update({} if metric is None else {"metric": metric})
        one.update({} if threshold is None else {"threshold": threshold})
    return {
        **test,
        "vars": variables,
        "assert": made,
        **({"metadata": metadata} if metadata else {}),
    }


def _number(cell: Json) -> Json:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return cell


def _product(variables: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    choices = [value if isinstance(value, list) else [value] for value in variables.values()]
    for values in itertools.product(*choices):
        yield dict(zip(variables, values, strict=True))


def _tags(tags: Json) -> list[str]:
    if isinstance(tags, Mapping):
        return sorted(f"{name}:{value}" for name, value in tags.items())
    return [tag for tag in _list(tags) if isinstance(tag, str)]


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []
