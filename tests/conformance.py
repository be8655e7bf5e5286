"""The judge that comes with the conformance material, asking the command line of this process."""

import importlib.util
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from pipex_core.app import wiring
from pipex_core.cli.main import pipex, run_command
from tests.conftest import shared_folder

folder = shared_folder() / "conformance"


class Command:
    """``pipex`` as the judge wants it: exit code, JSON of the standard output, end of the other one."""

    def call(self, args: Sequence[str], cwd: str) -> tuple[int, Any, str]:
        before, said, noted = Path.cwd(), io.StringIO(), io.StringIO()
        os.chdir(cwd)
        try:
            with redirect_stdout(said), redirect_stderr(noted):
                code = run_command(pipex, list(args))
        finally:
            os.chdir(before)
        try:
            return code, json.loads(said.getvalue()), noted.getvalue()[-300:]
        except ValueError:
            return code, None, (noted.getvalue() or said.getvalue())[-300:]


def judge() -> ModuleType:
    """The module that runs and judges cases."""
    spec = importlib.util.spec_from_file_location("judge", folder / "run_conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing_types(document: Any) -> set[str]:
    """Step types that a document uses and that are not built in."""
    return set(_types(document)) - set(wiring.shapes())


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        steps = [step for step in _steps(value) if isinstance(step, Mapping)]
        yield from (step["type"] for step in steps if isinstance(step.get("type"), str))
        for inner in value.values():
            yield from _types(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _types(inner)


def _steps(value: Mapping[str, Any]) -> Iterator[Any]:
    blocks = [value.get("steps"), value.get("default"), *_blocks(value.get("cases"))]
    for block in blocks:
        if isinstance(block, list):
            yield from block


def _blocks(cases: Any) -> list[Any]:
    return list(cases.values()) if isinstance(cases, Mapping) else []
