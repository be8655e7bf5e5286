"""A person at a prompt, without a process: words in, exit code and both streams out."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from pipex_core.cli.main import pipex, run_command
from pipex_core.jsonvalue import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Json:
        """Standard output, which must be exactly one JSON object in one line."""
        (line,) = self.out.splitlines()
        value = json.loads(line)
        assert isinstance(value, dict)
        return value


def invoke(*words: object) -> Done:
    """Run ``pipex`` with these words in this process and the current working directory."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command(pipex, [str(word) for word in words])
    return Done(code=code, out=out.getvalue(), err=err.getvalue())
