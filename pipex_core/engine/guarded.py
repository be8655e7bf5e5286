"""A workspace whose every change is preceded by a durable note of how to undo it.

What a path held before it is written, removed, copied over or moved is kept as data in the files of the
run; nothing of it depends on the process that made the change.
"""

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from pipex_core.jsonvalue import Json, digest_bytes
from pipex_core.ports import BlobStore, FileEntry, Workspace

largest_kept_bytes: Final = 1 << 30  # what a workspace may hold in all

Keep = Callable[[Mapping[str, Json]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Contents of files as they were, each once, by SHA-256.

    Attributes:
        blobs: Of the run.
        folder: Where they are kept, with a slash at its end.
    """

    blobs: BlobStore
    folder: str

    def keep(self, data: bytes) -> str:
        """Keep a content, durably; its name."""
        sha256 = digest_bytes(data)
        if not self.blobs.exists(self.folder + sha256):
            self.blobs.put(self.folder + sha256, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """A content that was kept.

        Raises:
            StoreError: It is gone.
        """
        return self.blobs.get(self.folder + sha256)


class GuardedWorkspace:
    """A ``Workspace`` over another one that tells ``keep`` what is about to change.

    Args:
        workspace: Where the files are.
        keep: Makes an undo action durable; the change is made once it returns.
        images: Where contents are kept.
        folder: Path of it below the run's whole workspace, with a slash at its end, or empty.
    """

    def __init__(
        self, workspace: Workspace, *, keep: Keep, images: Images, folder: str = ""
    ) -> None:
        self._workspace = workspace
        self._keep = keep
        self._images = images
        self._folder = folder

    def read_text(self, path: str, *, encoding: str = "utf-8", max_bytes: int | None = None) -> str:
        return self._workspace.read_text(path, encoding=encoding, max_bytes=max_bytes)

    def read_bytes(self, path: str, *, max_bytes: int | None = None) -> bytes:
        return self._workspace.read_bytes(path, max_bytes=max_bytes)

    def write_output(self, path: str, text: str) -> str:
        return self._workspace.write_output(path, text)

    def write(self, path: str, data: bytes, *, is_executable: bool | None = None) -> str:
        self._before([path])
        return self._workspace.write(path, data, is_executable=is_executable)

    def stat(self, path: str) -> FileEntry | None:
        return self._workspace.stat(path)

    def list(self, path: str = ".", *, recursive: bool = False) -> Sequence[FileEntry]:
        return self._workspace.list(path, recursive=recursive)

    def delete(self, path: str) -> Sequence[str]:
        self._before([path])
        return self._workspace.delete(path)

    def copy(self, source: str, destination: str) -> Sequence[str]:
        self._before(self._targets(source, destination))
        return self._workspace.copy(source, destination)

    def move(self, source: str, destination: str) -> Sequence[str]:
        self._before([source, destination])
        return self._workspace.move(source, destination)

    def narrowed(self, path: str) -> "GuardedWorkspace":
        inside = posixpath.normpath(path)
        folder = self._folder if inside == "." else f"{self._whole(inside)}/"
        if self._workspace.stat(path) is None:
            # It will be made, and is gone again after an undo when nothing is left in it.
            self._note([self._image(f"{inside}/.", None)])
        return GuardedWorkspace(
            self._workspace.narrowed(path), keep=self._keep, images=self._images, folder=folder
        )

    def folder(self) -> AbstractContextManager[int]:
        return self._workspace.folder()

    def recount(self) -> None:
        self._workspace.recount()

    def _targets(self, source: str, destination: str) -> Iterable[str]:
        """The files that a copy replaces or makes; a folder is copied into what is there."""
        found = self._workspace.stat(source)
        if found is None or not found.is_folder:
            return [destination]
        files = [e.path for e in self._workspace.list(source, recursive=True) if not e.is_folder]
        origin = posixpath.normpath(source)
        inside = [posixpath.relpath(file, origin) for file in files]
        return [posixpath.join(destination, file) for file in inside]

    def _before(self, paths: Iterable[str]) -> None:
        self._note([image for path in paths for image in self._images_of(path)])

    def _note(self, images: Sequence[Json]) -> None:
        if images:
            self._keep({"kind": "files", "images": [*images]})

    def _images_of(self, path: str) -> Sequence[Json]:
        inside = posixpath.normpath(path)
        found = self._workspace.stat(path)
        if found is None or not found.is_folder:
            return [self._image(inside, found)]
        below = self._workspace.list(path, recursive=True)
        return [self._image(entry.path, entry) for entry in (found, *below)]

    def _image(self, path: str, found: FileEntry | None) -> Json:
        """What is at a path now: a file by its content, a folder, or nothing."""
        whole = self._whole(path)
        if found is None:
            return {"path": whole, "was": "absent", "made": [*self._missing_above(path)]}
        if found.is_folder:
            return {"path": whole, "was": "folder"}
        data = self._workspace.read_bytes(path, max_bytes=largest_kept_bytes)
        sha256 = self._images.keep(data)
        runs = {"runs": True} if found.is_executable else {}
        return {"path": whole, "was": "file", "sha256": sha256, **runs}

    def _whole(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self._folder, path))

    def _missing_above(self, path: str) -> Iterable[str]:
        """Folders around a path that will be made with it, the innermost first."""
        folder = posixpath.dirname(path)
        while folder and folder != "/" and self._workspace.stat(folder) is None:
            yield self._whole(folder)
            folder = posixpath.dirname(folder)


def restore(workspace: Workspace, images: Images, action: Mapping[str, Json]) -> None:
    """Make files what they were before the change that an action undoes; the same when done again.

    Raises:
        StepError: A file cannot be written or removed.
        StoreError: A content is gone.
    """
    kept = action["images"]
    for image in reversed([image for image in kept if image["was"] == "absent"]):
        _remove(workspace, image)
    for image in kept:
        if image["was"] == "file":
            _put_back(workspace, images, image)
        elif image["was"] == "folder":
            _make_folder(workspace, image["path"])


def _remove(workspace: Workspace, image: Mapping[str, Json]) -> None:
    if workspace.stat(image["path"]) is not None and image["path"] not in image["made"]:
        workspace.delete(image["path"])
    for folder in image["made"]:
        found = workspace.stat(folder)
        if found is not None and found.is_folder and not workspace.list(folder):
            workspace.delete(folder)


def _put_back(workspace: Workspace, images: Images, image: Mapping[str, Json]) -> None:
    path, data = image["path"], images.get(image["sha256"])
    found, runs = workspace.stat(path), image.get("runs", False)
    if found is not None and found.is_folder:
        workspace.delete(path)
    elif found is not None and found.is_executable == runs and _holds(workspace, path, data):
        return
    workspace.write(path, data, is_executable=runs)


def _holds(workspace: Workspace, path: str, data: bytes) -> bool:
    return workspace.read_bytes(path, max_bytes=largest_kept_bytes) == data


def _make_folder(workspace: Workspace, path: str) -> None:
    found = workspace.stat(path)
    if found is not None and not found.is_folder:
        workspace.delete(path)
    if path != ".":
        workspace.narrowed(path)
