"""Targets by the words people use for them: files of targets, pipelines and recorded answers; models."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipex_core.app.files import json_problem, read_text
from pipex_core.app.settings import Settings
from pipex_core.app.wiring import open_workspace, run_settings
from pipex_core.engine.execution import places_of
from pipex_core.errors import ConfigError, Problem, SpecError, StepError
from pipex_core.evals.pipeline import literal_files
from pipex_core.jsonvalue import Json, digest_bytes, parse
from pipex_core.ports import Workspace
from pipex_core.spec.plan import Plan
from pipex_core.spec.yaml_text import read_yaml

target_fields = {"kind", "path", "model", "prompt"}


def vendor_of(model: str) -> str:
    """The vendor of a model, by its name; what is not Gemini speaks the Messages API."""
    return "gemini" if model.startswith(("gemini", "models/gemini")) else "anthropic"


def read_records(path: str) -> Iterable[Mapping[str, Json]]:
    """Recorded answers of a JSON lines, JSON or Parquet file.

    Raises:
        SpecError: The file or a line of it cannot be read.
    """
    place = Path(path)
    if place.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows: list[Mapping[str, Json]] = pq.ParquetFile(place).read(use_threads=False).to_pylist()
        return rows
    text = read_text(path)
    if place.suffix == ".json":
        return _records(text, path)
    return [_record(line, path, i) for i, line in enumerate(text.splitlines(), 1) if line.strip()]


def _records(text: str, path: str) -> Iterable[Mapping[str, Json]]:
    try:
        value = parse(text)
    except ValueError as exc:
        raise SpecError([json_problem(exc, path)]) from exc
    if not isinstance(value, list):
        message = "recorded answers are a list of records"
        raise SpecError([Problem(code="wrong_type", message=message, file=path)])
    return value


def _record(line: str, path: str, number: int) -> Mapping[str, Json]:
    try:
        value = parse(line)
    except ValueError as exc:
        raise SpecError([json_problem(exc, path, line=number)]) from exc
    return value if isinstance(value, dict) else {"output": value}


def file_digests(
    plan: Plan, settings: Settings, options: Mapping[str, Json]
) -> Mapping[str, str | None]:
    """Path to SHA-256 of each file that prompts of a pipeline name; None for one that cannot be read.

    Args:
        plan: Of the pipeline.
        settings: They say where files are, below the pipeline and its options.
        options: Of the runs.
    """
    places = places_of(plan, options=options, settings=run_settings(settings))
    workspace = open_workspace(places)
    return {path: _digest_of(workspace, path) for path in literal_files(plan)}


def _digest_of(workspace: Workspace, path: str) -> str | None:
    try:
        text = workspace.read_text(path, encoding="latin-1")  # any bytes are text in it
    except StepError:
        return None
    return digest_bytes(text.encode("latin-1"))


def target_map(word: str | Mapping[str, Json]) -> Json:
    """The map of a target that is one already, or that a file holds or is.

    Raises:
        ConfigError: ``unknown_target``, the word is no file of a known kind.
    """
    if not isinstance(word, str):
        return word
    path = Path(word)
    if path.suffix in {".jsonl", ".parquet"}:
        return {"kind": "recorded", "path": word, "name": path.stem}
    if path.suffix not in {".yaml", ".yml", ".json"}:
        raise ConfigError(
            f"{word!r} is no target: name a pipeline or target file (.yaml), or recorded answers "
            "(.jsonl, .parquet)",
            code="unknown_target",
            next_step="pipex eval run SUITE --target pipelines/FILE.yaml",
        )
    value = read_yaml(read_text(word), word).value
    if isinstance(value, dict) and isinstance(value.get("target"), dict):
        return value["target"]
    if isinstance(value, dict) and "steps" not in value and target_fields & value.keys():
        return value
    return {"kind": "pipeline", "path": word}
