"""The suites in a folder, each in a line: also those that cannot be read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipex_core.app.files import head_name
from pipex_core.app.suitefiles import read_suite
from pipex_core.app.suiteversions import list_versions
from pipex_core.errors import ConfigError, PipexError
from pipex_core.evals.suite import suite_digest
from pipex_core.jsonvalue import Json, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A suite as a list shows it.

    Attributes:
        version: Label of the working file.
        n_versions: Versions saved so far.
        problem: Why it cannot be read; the figures are zero then. Empty otherwise.
    """

    path: str
    id: str
    version: str = ""
    suite_digest: str = ""
    n_cases: int = 0
    n_versions: int = 0
    problem: str = ""

    def as_json(self) -> dict[str, Json]:
        """All fields, an empty problem as null."""
        return {**asdict(self), "problem": self.problem or None}

    def as_text(self) -> str:
        """One line for a terminal."""
        if self.problem:
            return f"{self.id}  {self.problem}"
        saved = f"{self.n_versions} saved" if self.n_versions else "never saved"
        return (
            f"{self.id}  version {self.version} ({saved})  {self.n_cases} cases"
            f"  {short(self.suite_digest)}"
        )


def list_suites(folder: str | Path) -> Sequence[Listed]:
    """The suites that are folders below a folder, by name.

    Raises:
        ConfigError: ``file_not_found``, there is no such folder.
    """
    top = Path(folder)
    if not top.is_dir():
        message = f"there is no folder {str(folder)!r}"
        raise ConfigError(
            message, code="file_not_found", next_step="name one: pipex suite list DIR"
        )
    return [_listed(path.parent) for path in sorted(top.glob(f"*/{head_name}"))]


def _listed(place: Path) -> Listed:
    try:
        suite = read_suite(place)
        saved = len(list_versions(place))
    except PipexError as exc:
        return Listed(path=str(place), id=place.name, problem=exc.message.splitlines()[0])
    return Listed(
        path=str(place),
        id=suite.id,
        version=suite.version,
        suite_digest=suite_digest(suite),
        n_cases=len(suite.cases),
        n_versions=saved,
    )
