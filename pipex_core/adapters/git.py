"""Files of a Git repository: read at a revision, committed and tagged, by the ``git`` program."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pipex_core.errors import ConfigError, StoreError

# Variables set inside hooks lead to another repository or index than the folder's: they are unset.
plain_environment = (
    "env", "-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "-u", "GIT_INDEX_FILE", "-u", "GIT_PREFIX",
    "-u", "GIT_OBJECT_DIRECTORY", "GIT_TERMINAL_PROMPT=0", "GIT_LITERAL_PATHSPECS=1",
    "LC_ALL=C",
)  # fmt: skip
not_found_code = 127  # of ``env``


class GitRepository:
    """The repository that a folder lies in.

    Args:
        folder: Any folder of its working tree.
        program: The ``git`` to run.
        timeout_s: Of one call of it.

    Raises:
        ConfigError: ``git_missing`` without the program, ``no_repository`` outside of one.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, program: str = "git", timeout_s: float = 60.0
    ) -> None:
        self._program = program
        self._timeout_s = timeout_s
        self._folder = Path(folder)
        try:
            top = self._run("rev-parse", "--show-toplevel")
        except StoreError as exc:
            if isinstance(exc.__cause__, subprocess.TimeoutExpired):
                raise
            message = f"{folder} lies in no Git repository"
            raise ConfigError(message, code="no_repository", next_step="git init") from exc
        self._root = Path(os.fsdecode(top.rstrip(b"\n")))

    def read(self, revision: str, path: Path) -> bytes | None:
        """A file as it was at a revision; None when it was not there.

        Raises:
            ConfigError: ``unknown_version``, there is no such revision.
        """
        commit = self._commit_of(revision)
        name = path.resolve().relative_to(self._root).as_posix()
        if not self._run("ls-tree", "--full-tree", "-z", "--name-only", commit, "--", name):
            return None
        return self._run("cat-file", "blob", f"{commit}:{name}")

    def staged(self) -> Sequence[Path]:
        """Files whose staged content is not that of the last commit, absolute."""
        names = self._run("diff", "--cached", "--name-only", "--no-renames", "-z").split(b"\0")
        return [self._root / os.fsdecode(name) for name in names if name]

    def has_tag(self, name: str) -> bool:
        """Is there a tag of this name?

        Raises:
            ConfigError: ``bad_tag``, no tag can have it.
        """
        try:
            self._run("check-ref-format", f"refs/tags/{name}")
        except StoreError as exc:
            message = f"{name!r} cannot be the name of a tag"
            raise ConfigError(
                message, code="bad_tag", next_step="choose another --version"
            ) from exc
        return bool(self._run("tag", "--list", name))

    def commit(self, paths: Sequence[Path], message: str) -> str:
        """Commit exactly these files as they are; the commit's name in 40 hexadecimal digits."""
        names = [str(path.resolve()) for path in paths]
        self._run("add", "--", *names)
        if self._run("status", "--porcelain", "-z", "--", *names):
            self._run("commit", "--quiet", "-m", message, "--", *names)
        return self._commit_of("HEAD")

    def tag(self, name: str, message: str) -> None:
        """Put an annotated tag on the last commit."""
        self._run("tag", "--annotate", "--message", message, "--", name)

    def _commit_of(self, revision: str) -> str:
        try:
            found = self._run(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
            )
        except StoreError as exc:
            message = f"the Git repository {self._root} has no revision {revision!r}"
            raise ConfigError(message, code="unknown_version", next_step="git log") from exc
        return found.decode("ascii").strip()

    def _run(self, *words: str) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - fixed words; names of users stand behind `--`
                [*plain_environment, self._program, "-C", str(self._folder), *words],
                capture_output=True,
                check=False,
                timeout=self._timeout_s,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as exc:
            message = f"git {words[0]} did not end within {self._timeout_s:g} s"
            raise StoreError(message, code="git_failed") from exc
        if done.returncode == not_found_code:
            message = f"the program {self._program!r} is not installed"
            raise ConfigError(message, code="git_missing", next_step="install Git")
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise StoreError(f"git {words[0]} failed: {said}", code="git_failed")
        return done.stdout
