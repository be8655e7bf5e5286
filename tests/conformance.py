"""The judge that comes with the conformance material, asking the command line of this process."""

import importlib.util
import io
import json
import os
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

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
