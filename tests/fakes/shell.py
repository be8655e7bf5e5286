"""A person at a prompt, without a process: words in, exit code and both streams out."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
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


def invoke(*words: object, stdin: str | None = None) -> Done:
    """Run ``pipex`` with these words in this process and the current working directory.

    Args:
        words: What is typed after ``pipex``.
        stdin: What is piped in; without it the standard input of this process.
    """
    out, err = io.StringIO(), io.StringIO()
    with _redirect_stdin(stdin), redirect_stdout(out), redirect_stderr(err):
        code = run_command(pipex, [str(word) for word in words])
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


@contextmanager
def _redirect_stdin(text: str | None) -> Iterator[None]:
    """As ``redirect_stdout`` does for the output; the standard library has no such thing for the input."""
    before = sys.stdin
    if text is not None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    try:
        yield
    finally:
        sys.stdin = before


def document(*words: object, code: int = 0) -> Json:
    """What a command prints with ``--json`` when it ends as expected."""
    done = invoke(*words, "--json")
    assert done.code == code, done
    return done.document


def refused(*words: object) -> Done:
    """What a command says that refuses its input and prints nothing else."""
    done = invoke(*words)
    assert (done.code, done.out) == (2, "")
    return done
