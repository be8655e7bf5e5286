"""Files and folders that people name: read or refused with the nearest name, checked before work begins."""

import os
from collections.abc import Iterable
from json import JSONDecodeError
from pathlib import Path

from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.jsonvalue import Json
from pipex_core.registry import similar
from pipex_core.spec.model import Finding
from pipex_core.spec.yaml_text import read_yaml

head_name = "suite.yaml"


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file that somebody wrote.

    Raises:
        SpecError: ``file_unreadable``, with the nearest name in its folder.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise _refused(path, "there is no such file", _near(path)) from None
    except OSError as exc:
        raise _refused(path, f"the file cannot be read: {exc.strerror}") from exc


def read_text(path: str | Path) -> str:
    """Text of a file that an option or a setting names.

    Raises:
        ConfigError: ``file_not_found``, with the nearest name in its folder, or ``file_unreadable``.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise absent(path) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot read {path}: {exc}", code="file_unreadable") from exc


def absent(path: str | Path) -> ConfigError:
    """The error ``file_not_found``, with the nearest name in the folder."""
    near = _near(path)
    hint = f"; did you mean {near!r}?" if near else ""
    return ConfigError(f"there is no file {path}{hint}", code="file_not_found")


def json_problem(error: ValueError, file: str, *, line: int = 1) -> Problem:
    """The problem ``bad_json`` of a text that begins in a line of a file, at its place there."""
    if not isinstance(error, JSONDecodeError):
        return Problem(code="bad_json", message=str(error), file=file, line=line, column=1)
    message = f"this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}"
    return Problem(
        code="bad_json",
        message=message,
        file=file,
        line=line + error.lineno - 1,
        column=error.colno,
    )


def require_folder(path: str | Path, *, option: str) -> None:
    """Make sure that files can be written in a folder, whether it exists yet or not.

    Args:
        path: Of the folder.
        option: What to say to name another one, such as ``--results DIR``.

    Raises:
        ConfigError: ``folder_not_writable``.
    """
    reason = why_not_writable(path)
    if reason is not None:
        raise ConfigError(
            f"nothing can be written in {path}: {reason}",
            code="folder_not_writable",
            next_step=f"name another folder with {option}",
        )


def why_not_writable(path: str | Path) -> str | None:
    """Why no file can be written in a folder; None when one can, once the folder is made."""
    absolute = Path(path).absolute()
    found = next(one for one in (absolute, *absolute.parents) if one.exists())
    if not found.is_dir():
        return f"{'it' if found == absolute else found} is a file"
    if not os.access(found, os.W_OK | os.X_OK):
        return f"permission denied in {found}"
    return None


def located(problems: Iterable[Problem], file: str | Path, *, within: str = "") -> list[Problem]:
    """Problems of values that stand in a YAML file, each with its place there.

    Args:
        problems: Those that name a file already are left as they are.
        file: The file, or the folder of a suite; in files of other kinds no place is looked for.
        within: Path in the file of what the problems speak of, such as ``defaults``.
    """
    place = Path(file) / head_name if Path(file).is_dir() else Path(file)
    if place.suffix not in {".yaml", ".yml"}:
        return list(problems)
    source = read_yaml(read_bytes(place), str(place)).source
    return [one if one.file else source.problem(_finding(one, within)) for one in problems]


def is_suite_id(word: str, *, project: str | Path = ".") -> bool:
    """Does the project have a suite of this id?"""
    return (Path(project) / "test_suites" / word / head_name).is_file()


def suite_place(word: str | Path, *, project: str | Path = ".") -> Path:
    """Where a suite lies: a path, or the id of a suite of the project.

    Raises:
        ConfigError: ``unknown_suite``, with the nearest known one.
    """
    place, folder = Path(word), Path(project) / "test_suites"
    if place.exists():
        return place
    if (folder / word / head_name).is_file():
        return folder / word
    known = {path.parent.name: path.parent for path in folder.glob(f"*/{head_name}")}
    near = next(iter(similar(place.name, known, count=1)), None)
    found = known[near] if near else _near(place)
    hint = f"; did you mean {str(found)!r}?" if found else ""
    raise ConfigError(
        f"there is no suite {str(word)!r}{hint}",
        code="unknown_suite",
        next_step="name a folder with suite.yaml, or make one with pipex suite import FILE",
    )


def read_list(path: str, name: str) -> list[Json]:
    """The list in a YAML file: the whole of it, or what stands under ``name``.

    Raises:
        ConfigError: ``file_not_found``, or the file holds something else.
        SpecError: The file is no YAML.
    """
    value = read_yaml(read_text(path), path).value
    found = value.get(name) if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise ConfigError(f"{path} must hold a list `{name}`", code="wrong_type")
    return found


def _finding(problem: Problem, within: str) -> Finding:
    return Finding(
        code=problem.code,
        message=problem.message,
        path=".".join(part for part in (within, problem.path) if part),
        severity=problem.severity,
        suggestion=problem.suggestion,
    )


def _near(path: str | Path) -> str | None:
    """The file or folder beside a missing one whose name is most like it; endings do not count."""
    missing = Path(path)
    beside = sorted(missing.parent.iterdir()) if missing.parent.is_dir() else []
    near = similar(missing.stem, {other.stem for other in beside}, count=1)
    fitting = [other for other in beside if other.stem in near]
    fitting.sort(key=lambda other: other.suffix != missing.suffix)
    return str(fitting[0]) if fitting else None


def _refused(path: str | Path, message: str, near: str | None = None) -> SpecError:
    problem = Problem(code="file_unreadable", message=message, file=str(path), suggestion=near)
    return SpecError([problem])
