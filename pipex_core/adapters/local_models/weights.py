"""Where the weights of a model lie, and which weights they are; nothing is downloaded."""

import hashlib
import json
import re
import tempfile
import zipfile
from contextlib import suppress
from importlib.metadata import Distribution, distributions
from pathlib import Path

chunk = 1 << 20
head_name = "modules.json"
unpacked_models = Path(".pipex") / "models"


def model_folder(model: str) -> Path:
    """Where the weights of a model lie: the folder itself, or one that a distribution brings along.

    A distribution is taken for a model when its name holds the model's, and it has a folder with a
    ``modules.json``, or an archive with one, which is unpacked once below ``.pipex/models``.

    Raises:
        ImportError: There is none; the message says what was looked for.
    """
    path = Path(model)
    if path.is_dir():
        return path
    wanted = _plain(model.rpartition("/")[2])
    for distribution in distributions():
        if wanted in _plain(distribution.name or ""):
            found = _weights_in(distribution)
            if found is not None:
                return found
    raise ImportError(
        f"the weights of {model!r} are neither a folder nor in an installed distribution, and nothing"
        " is downloaded; install a distribution of the model, or name a folder"
    )


def digest_of_folder(folder: Path) -> str:
    """SHA-256 over the names and contents of all files of a folder, weights included."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            state = hashlib.sha256()
            with path.open("rb") as file:
                while part := file.read(chunk):
                    state.update(part)
            found[str(path.relative_to(folder))] = state.hexdigest()
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _weights_in(distribution: Distribution) -> Path | None:
    files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    for path in files:
        if path.name == head_name and path.is_file():
            return path.parent
    for path in files:
        if path.suffix == ".zip" and path.is_file():
            with zipfile.ZipFile(path) as archive:
                if head_name in archive.namelist():
                    return _unpacked(path, archive)
    return None


def _unpacked(path: Path, archive: zipfile.ZipFile) -> Path:
    """The folder of an archive's content, which is whole or absent."""
    identity = f"{path.resolve()}\n{path.stat().st_size}\n{path.stat().st_mtime_ns}"
    folder = unpacked_models / hashlib.sha256(identity.encode()).hexdigest()[:16]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            inner = Path(made) / "model"
            archive.extractall(inner)
            # Another process may have been faster; its folder is as good as ours.
            with suppress(OSError):
                inner.rename(folder)
    return folder


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
