"""Versions of suites on disk: the working file, the lock file beside it, the store, and Git.

The content is stored first, then the working file is written, then the lock. A process that dies in
between leaves at most a content that no lock names, or a working file that is saved again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipex_core.app import suitewiring
from pipex_core.app.files import head_name, read_bytes
from pipex_core.app.suitefiles import (
    cases_name,
    is_folder_form,
    read_suite,
    write_suite,
    write_whole,
)
from pipex_core.errors import ConfigError, PipexError, SpecError, StoreError
from pipex_core.evals import versions
from pipex_core.evals.suite import Suite
from pipex_core.evals.versions import Bump, Contents, Lock, Saved, Version
from pipex_core.ports import BlobStore, Repository

lock_name: Final = "suite.lock.json"
git_prefix: Final = "git:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What keeping a version came to.

    Attributes:
        saved: The version, and whether it is new.
        files: Files written; none when nothing had changed.
        commit: Name of the Git commit, or None.
        tag: Name of the Git tag, or None.
    """

    saved: Saved
    files: tuple[Path, ...] = ()
    commit: str | None = None
    tag: str | None = None


def save_suite(  # noqa: PLR0913 - the contract of evaluation.md 1.5
    suite: Suite,
    path: str | Path,
    *,
    version: str | None = None,
    bump: Bump = "minor",
    changelog: str = "",
    git: bool = False,
    store: BlobStore | None = None,
) -> Version:
    """Keep a suite as a version: working file, lock file and an immutable copy.

    Args:
        suite: Any suite.
        path: Folder (made when needed), or a ``.json``, ``.yaml``, ``.jsonl`` or ``.parquet`` file.
        version: Label; None raises the latest one, ``2.1`` to ``2.2``.
        bump: Which number is raised.
        changelog: What changed, for people.
        git: Also commit exactly the suite's files, with a tag ``suite/<id>/<version>``.
        store: Keeps the copies; ``.pipex/suites`` when None.

    Returns:
        The new version, or the latest one when the suite equals it and nothing was written.

    Raises:
        ConfigError: ``version_exists``, ``version_required``, ``git_dirty`` and the like.
        SpecError: ``frozen_case`` or ``missing_reason``.
        StoreError: ``suite_tampered``; ``run_locked``, another process is saving.
    """
    kept = keep(
        Path(path),
        lambda lock, blobs, at: versions.save(
            suite, lock, blobs, saved_at=at, version=version, bump=bump, changelog=changelog
        ),
        git=git,
        store=store,
    )
    return kept.saved.version


def list_versions(path: str | Path) -> Sequence[Version]:
    """The saved versions of a suite, newest first, by order of saving and not by clock."""
    return versions.list_versions(read_lock_of(Path(path)))


def revert_suite(
    path: str | Path, version: str, *, git: bool = False, store: BlobStore | None = None
) -> Version:
    """A new version with the content of an old one; history is never rewritten.

    Raises:
        ConfigError: ``unknown_version``.
        StoreError: ``suite_tampered``, or the content is not stored.
    """
    kept = keep(
        Path(path),
        lambda lock, blobs, at: versions.revert(lock, blobs, version, saved_at=at),
        git=git,
        store=store,
    )
    return kept.saved.version


def keep(
    place: Path,
    save: Callable[[Lock, Contents, str], Saved],
    *,
    git: bool = False,
    store: BlobStore | None = None,
) -> Kept:
    """Make a version under the lock of the suite's folder, and a commit of it when asked for.

    Args:
        place: Of the suite.
        save: From the lock, the store and the time to what is to be kept.
        git: Commit and tag.
        store: Keeps contents; ``.pipex/suites`` when None.
    """
    folder = place if is_folder_form(place) else place.parent
    folder.mkdir(parents=True, exist_ok=True)
    with suitewiring.held_folder(folder):
        repository = _clean_repository(place) if git else None
        lock = read_lock_of(place)
        shelf = Shelf(store or suitewiring.suite_store(), place, lock)
        saved = save(lock, shelf, suitewiring.now_text())
        tag = f"suite/{saved.suite.id}/{saved.version.version}"
        is_tagged = repository is not None and repository.has_tag(tag)
        if is_tagged and saved.is_new:
            message = f"Git has the tag {tag!r} already"
            raise ConfigError(message, code="version_exists", next_step="save under another label")
        files = _written(saved, place) if saved.is_new else ()
        if repository is None or is_tagged:
            return Kept(saved=saved, files=files)
        # Also for a version that was saved without Git, or by a process that died before its commit.
        commit = _committed(repository, saved, own_files(place), tag)
        return Kept(saved=saved, files=files, commit=commit, tag=tag)


def own_files(place: Path) -> tuple[Path, ...]:
    """The files of a suite: one or two, and the lock."""
    folder_form = is_folder_form(place)
    names = (place / cases_name, place / head_name) if folder_form else (place,)
    return (*names, lock_path(place))


def _written(saved: Saved, place: Path) -> tuple[Path, ...]:
    files = write_suite(saved.suite, place)
    lock = write_whole(lock_path(place), versions.dump_lock(saved.lock).encode())
    return (*files, lock)


def _committed(repository: Repository, saved: Saved, files: Sequence[Path], tag: str) -> str:
    """Commit the files when they are not, and put the tag there; the commit's name."""
    words = saved.version.changelog or f"{saved.suite.id} {saved.version.version}"
    message = f"Save suite {saved.suite.id} {saved.version.version}\n\n{words}"
    commit = repository.commit(files, message)
    repository.tag(tag, words)
    return commit


def load_saved(place: Path, version: str, *, store: BlobStore | None = None) -> Suite:
    """A suite as it was saved, or as it was in Git.

    Args:
        place: Of the suite.
        version: A label, ``@`` and at least 8 digits of a digest, or ``git:<revision>``.
        store: Keeps contents; ``.pipex/suites`` when None. What it lacks is looked for elsewhere, see
            ``Shelf``.

    Raises:
        ConfigError: ``unknown_version``.
        StoreError: ``suite_tampered``, or ``not_found`` when nobody has the content.
    """
    if version.startswith(git_prefix):
        return _at_revision(place, version.removeprefix(git_prefix))
    lock = read_lock_of(place)
    shelf = Shelf(store or suitewiring.suite_store(), place, lock)
    return replace(versions.load(lock, shelf, version), location=str(place))


def read_lock_of(place: Path) -> Lock:
    """The lock of a suite; one without versions where there is no lock file.

    Raises:
        StoreError: ``lock_damaged``.
    """
    path = lock_path(place)
    return (
        versions.read_lock(read_bytes(path).decode(), file=str(path)) if path.exists() else Lock()
    )


def lock_path(place: Path) -> Path:
    """The lock file: ``suite.lock.json`` in a folder, ``<stem>.lock.json`` beside a single file."""
    return place / lock_name if is_folder_form(place) else place.with_suffix(".lock.json")


def _clean_repository(place: Path) -> Repository:
    """The repository of a suite, when nothing else is staged in it.

    Raises:
        ConfigError: ``git_dirty``.
    """
    repository = suitewiring.git_repository(place if is_folder_form(place) else place.parent)
    own = {path.resolve() for path in own_files(place)}
    other = sorted(str(path) for path in repository.staged() if path not in own)
    if other:
        message = f"other changes are staged: {', '.join(other[:5])}"
        raise ConfigError(
            message, code="git_dirty", next_step="commit them, or git restore --staged them, first"
        )
    return repository


def _at_revision(place: Path, revision: str) -> Suite:
    folder = place if place.is_dir() else place.parent
    repository = suitewiring.git_repository(folder)

    def read(path: Path) -> bytes:
        found = repository.read(revision, path)
        if found is None:
            message = f"{path} was not there at the revision {revision!r}"
            raise ConfigError(message, code="unknown_version")
        return found

    return read_suite(place, read=read)


class Shelf:
    """A suite store that looks for what it lacks in the working file and in Git, and keeps it then.

    The store is no part of a repository, so a fresh clone has the lock file and an empty store. What is
    found counts only when its digest is the one that was asked for.
    """

    def __init__(self, store: BlobStore, place: Path, lock: Lock) -> None:
        self._store = store
        self._place = place
        self._lock = lock

    def get(self, key: str) -> bytes:
        """As ``BlobStore.get``, with the version in the message when nobody has it."""
        try:
            return self._store.get(key)
        except StoreError as exc:
            if exc.code != "not_found":
                raise
        entry = next(one for one in self._lock.versions if key.startswith(one.content))
        for suite in self._elsewhere(entry):
            form = versions.stored_form(suite)
            if form.key == key:
                self._store.put(key, form.data)
                return form.data
        message = (
            f"the content of version {entry.version!r} of {self._place} is neither in the suite store"
            f" {self._store.url()} nor in Git; copy {key} from where it was saved"
        )
        raise StoreError(message, code="not_found")

    def put(self, key: str, data: bytes) -> None:
        """As ``BlobStore.put``."""
        self._store.put(key, data)

    def exists(self, key: str) -> bool:
        """As ``BlobStore.exists``."""
        return self._store.exists(key)

    def _elsewhere(self, entry: Version) -> Iterator[Suite]:
        with suppress(PipexError):
            working = read_suite(self._place)
            yield working
            for revision in (f"suite/{working.id}/{entry.version}", "HEAD"):
                with suppress(ConfigError, SpecError):
                    yield _at_revision(self._place, revision)
