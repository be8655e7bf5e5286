"""A project on disk: its pipelines, its suites and the models file that says what to evaluate on what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipex_core.errors import ConfigError, SpecError
from pipex_core.evals.target import moving_aliases
from pipex_core.jsonvalue import Json
from pipex_core.registry import nearest
from pipex_core.spec.model import Finding
from pipex_core.spec.yaml_text import Document, read_yaml

models_file = "models.yaml"
fixtures = "fixtures"  # folder below pipelines/ whose files belong to them and are none
known_providers = ("mock", "live", "mixed", "replay")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """A target of the models file: one partition of every suite that it names.

    Attributes:
        since: Day from which the entry is there, as written.
        targets: Suite id to the target's map, as ``--target`` files hold it.
        champion: What the other targets of its suites are compared with.
    """

    name: str
    targets: Mapping[str, Mapping[str, Json]]
    provider: str = "mock"
    cassette: str | None = None
    mock_responses: str | None = None
    champion: bool = False
    since: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a project keeps what; paths are relative to its folder.

    Attributes:
        pipelines: Folder of pipeline files.
        suites: Folder of suite folders.
        models: File of the targets; there may be none.
    """

    pipelines: str = "pipelines"
    suites: str = "test_suites"
    models: str = f"test_suites/{models_file}"


usual_layout = Layout()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with pipelines and suites.

    Attributes:
        layout: Where in the folder they are.
        pipelines: Pipeline files by path, sorted.
        suites: Suite id (the folder's name) to its folder, sorted.
        models: Entries of ``test_suites/models.yaml``, in file order; empty without the file.
    """

    root: Path
    pipelines: Sequence[Path]
    suites: Mapping[str, Path]
    layout: Layout = usual_layout
    models: Sequence[ModelEntry] = field(default=())

    def entries(self, suite_id: str) -> Iterator[ModelEntry]:
        """The entries that want to be evaluated on a suite, in file order."""
        return (entry for entry in self.models if suite_id in entry.targets)

    def champion(self, suite_id: str) -> ModelEntry | None:
        """The entry that others are compared with on a suite, or None."""
        return next((entry for entry in self.entries(suite_id) if entry.champion), None)


def open_project(root: str | Path = ".", *, layout: Layout = usual_layout) -> Project:
    """What lies in a project folder. Files are listed, and only the models file is read.

    Raises:
        SpecError: The models file has problems.
        ConfigError: ``root`` is no folder.
    """
    found = list_project(root, layout=layout)
    path = found.root / layout.models
    if not path.is_file():
        return found
    return replace(found, models=read_models(path.read_text(encoding="utf-8"), str(path)))


def list_project(root: str | Path = ".", *, layout: Layout = usual_layout) -> Project:
    """What lies in a project folder, without its models: nothing is read.

    Raises:
        ConfigError: ``root`` is no folder.
    """
    base = Path(root)
    if not base.is_dir():
        raise ConfigError(f"{base} is not a folder", code="file_not_found")
    suites = {path.parent.name: path.parent for path in (base / layout.suites).glob("*/suite.yaml")}
    below = base / layout.pipelines
    found = [*below.glob("**/*.yaml"), *below.glob("**/*.yml")]
    pipelines = [path for path in found if fixtures not in path.relative_to(base).parts]
    return Project(
        root=base,
        pipelines=sorted(pipelines),
        suites=dict(sorted(suites.items())),
        layout=layout,
    )


def read_models(text: str, file: str) -> Sequence[ModelEntry]:
    """The entries of a models file.

    Raises:
        SpecError: All problems, each with its line.
    """
    document = read_yaml(text, file)
    findings: list[Finding] = []
    raw = document.value.get("models") if isinstance(document.value, dict) else None
    if not isinstance(raw, list):
        findings.append(
            Finding(code="missing_field", message="a models file holds a list `models`")
        )
        raw = []
    entries = [_entry(item, f"models[{i}]", findings) for i, item in enumerate(raw)]
    names = [None if entry is None else entry.name for entry in entries]
    findings += [
        Finding(
            code="duplicate_id", message=f"two models are called {name!r}", path=f"models[{i}].name"
        )
        for i, name in enumerate(names)
        if name is not None and name in names[:i]
    ]
    findings += _second_champions(entries)
    _refuse(findings, document)
    return [entry for entry in entries if entry is not None]


_fields = {
    "name", "since", "provider", "cassette", "mock_responses", "champion", "suites", "paths",
    "kind", "model", "options", "prompt", "system", "path", "output_step", "bindings",
    "input_name", "description",
}  # fmt: skip
_types: Mapping[str, type] = {
    **dict.fromkeys(
        ("cassette", "description", "input_name", "kind", "mock_responses", "model", "output_step",
         "path", "prompt", "since", "system"),
        str,
    ),
    "champion": bool,
}  # fmt: skip
_of_the_target = ("model", "options", "prompt", "system", "output_step", "bindings", "input_name")


def _entry(item: Json, path: str, findings: list[Finding]) -> ModelEntry | None:
    if not isinstance(item, dict):
        findings.append(Finding(code="wrong_type", message="a model is a map", path=path))
        return None
    for key in item:
        if key not in _fields:
            near = nearest(key, _fields)
            findings.append(
                Finding(
                    code="unknown_field",
                    message=f"a model has no field {key!r}",
                    path=f"{path}.{key}",
                    suggestion=near,
                )
            )
    name = item.get("name")
    if not isinstance(name, str) or not name:
        findings.append(Finding(code="missing_field", message="a model needs a name", path=path))
        return None
    if not _check_values(item, path, findings):
        return None
    return ModelEntry(
        name=name,
        targets=_targets(item, name, path, findings),
        provider=str(item.get("provider", "mock")),
        cassette=item.get("cassette"),
        mock_responses=item.get("mock_responses"),
        champion=item.get("champion", False),
        since=item.get("since"),
        description=item.get("description"),
    )


def _check_values(item: Mapping[str, Json], path: str, findings: list[Finding]) -> bool:
    """Whether the values have their types; what is wrong with them is added to the findings."""
    wrong = [
        Finding(
            code="wrong_type",
            message=f"{key} is {'true or false' if kind is bool else 'text'}, not {value!r}",
            path=f"{path}.{key}",
        )
        for key, value in item.items()
        if (kind := _types.get(key)) is not None and not isinstance(value, kind)
    ]
    findings += wrong
    provider = item.get("provider", "mock")
    if provider not in known_providers:
        findings.append(
            Finding(
                code="unknown_value",
                message=f"provider must be one of {', '.join(known_providers)}, not {provider!r}",
                path=f"{path}.provider",
            )
        )
    model = item.get("model")
    if isinstance(model, str) and model.endswith(moving_aliases):
        findings.append(
            Finding(
                code="moving_alias",
                message=f"{model!r} may mean another model tomorrow; name a fixed version",
                path=f"{path}.model",
            )
        )
    if provider == "replay" and "cassette" not in item:
        message = f"model {item['name']!r} replays and names no `cassette`"
        findings.append(Finding(code="missing_field", message=message, path=path))
    return not wrong


def _second_champions(entries: Sequence[ModelEntry | None]) -> Iterator[Finding]:
    """Entries that are the champion of a suite that has one already."""
    first: dict[str, str] = {}
    for i, entry in enumerate(entries):
        if entry is None or not entry.champion:
            continue
        for suite in entry.targets:
            if suite in first:
                message = f"the champion of suite {suite!r} is {first[suite]!r} already"
                yield Finding(
                    code="conflicting_fields", message=message, path=f"models[{i}].champion"
                )
            first.setdefault(suite, entry.name)


def _targets(
    item: Mapping[str, Json], name: str, path: str, findings: list[Finding]
) -> dict[str, Mapping[str, Json]]:
    shared = {key: item[key] for key in _of_the_target if key in item} | {"name": name}
    paths = item.get("paths")
    if isinstance(paths, dict):
        return {
            suite: {"kind": item.get("kind", "pipeline"), "path": file, **shared}
            for suite, file in paths.items()
        }
    suites = item.get("suites")
    if not isinstance(suites, list) or not suites:
        findings.append(
            Finding(
                code="missing_field",
                message=f"model {name!r} names neither `suites` nor `paths`",
                path=path,
            )
        )
        return {}
    one = {"kind": item.get("kind", "prompt"), **shared}
    if "path" in item:
        one["path"] = item["path"]
    return {str(suite): one for suite in suites}


def _refuse(findings: Sequence[Finding], document: Document) -> None:
    if findings:
        raise SpecError(
            sorted(map(document.source.problem, findings), key=lambda p: (p.line, p.column))
        )
