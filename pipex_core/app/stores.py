"""Which store keeps what: checkpoints by the settings, tables of results by a folder or a URL.

Journals are always files of this host: they are its truth, and a call is sent only once they say so.
What a store elsewhere adds is that a run can go on, from its newest checkpoint, where its host is gone.
Nothing of a vendor is imported before a store of that kind is asked for.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pipex_core.adapters.local_files import LocalJournals, safe_id
from pipex_core.adapters.memory import MemoryJournals
from pipex_core.app.files import require_folder
from pipex_core.app.settings import Settings
from pipex_core.engine.documents import document_key
from pipex_core.engine.services import CheckpointStores
from pipex_core.errors import ConfigError, StoreError
from pipex_core.ports import BlobStore, Faults, key_part

if TYPE_CHECKING:
    from sqlalchemy import Engine

folder_of_runs: Final = "checkpoints"
probe_key: Final = "pipex-probe"
missing_bucket: Final = "export S3_CHECKPOINT_BUCKET=NAME; addresses and keys are those of the AWS tools: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID"  # fmt: skip
missing_database: Final = (
    "export PIPEX_DATABASE_URL=postgresql+psycopg2://USER@HOST/NAME, or sqlite:///FILE"
)
volatile: Final = (
    "volatile_store",
    "checkpoints are kept in memory and end with this process; the journal is all that a resume has",
)
_Open = Callable[[str], BlobStore]


def checkpoint_stores(
    settings: Settings, *, faults: Faults | None = None
) -> CheckpointStores | None:
    """Where checkpoints are kept; None for beside the journals.

    Raises:
        ConfigError: ``invalid_option``, the backend lacks its bucket or its database.
    """
    backend = settings.text("checkpoint_backend")
    match backend:
        case "local":
            return None
        case "memory":
            return CheckpointStores(
                blobs=_memory().blobs, backends=("memory",), warnings=(volatile,)
            )
        case "s3":
            return CheckpointStores(blobs=_in_bucket(settings), backends=("s3",))
        case "sql":
            return CheckpointStores(blobs=_in_database(settings), backends=("sql",))
        case _:
            return _several(settings, faults)


def _several(settings: Settings, faults: Faults | None) -> CheckpointStores:
    from pipex_core.adapters.mirrored import MirroredBlobs

    journals = LocalJournals(settings.text("checkpoint_dir"), faults=faults)
    found: dict[str, _Open] = {"local": journals.blobs}
    if settings.values["s3_bucket"] is not None:
        found["s3"] = _in_bucket(settings)
    if settings.values["database_url"] is not None:
        found["sql"] = _in_database(settings)
    if len(found) == 1:
        raise ConfigError(
            "CHECKPOINT_BACKEND is multi, but no second store is named",
            next_step=f"{missing_bucket}; or {missing_database}",
        )

    @cache
    def opened(run_id: str) -> BlobStore:
        return MirroredBlobs([one(run_id) for one in found.values()])

    return CheckpointStores(blobs=opened, backends=tuple(found))


def _in_bucket(settings: Settings) -> _Open:
    bucket = settings.values["s3_bucket"]
    if bucket is None:
        raise ConfigError(
            "checkpoints are to be kept in a bucket, but S3_CHECKPOINT_BUCKET is not set",
            next_step=missing_bucket,
        )
    return lambda run_id: _s3(bucket, f"{folder_of_runs}/{key_part(run_id)}")


def _in_database(settings: Settings) -> _Open:
    url = settings.values["database_url"]
    if url is None:
        raise ConfigError(
            "checkpoints are to be kept in a database, but PIPEX_DATABASE_URL is not set",
            next_step=missing_database,
        )
    return lambda run_id: _sql(url.reveal(), f"{folder_of_runs}/{key_part(run_id)}")


@cache
def _memory() -> MemoryJournals:
    """One for the process: a run that is resumed in it finds its checkpoints."""
    return MemoryJournals()


def _s3(bucket: str, prefix: str) -> BlobStore:
    from pipex_core.adapters.s3 import S3Blobs

    return S3Blobs(bucket, prefix=prefix)


@cache
def _sql(url: str, prefix: str) -> BlobStore:
    from pipex_core.adapters.sql import SqlBlobs

    return SqlBlobs(_engine(url), prefix=prefix)


@cache
def _engine(url: str) -> "Engine":
    from pipex_core.adapters.sql import engine_of

    return engine_of(url)


# -- tables of results


def is_url(place: str | Path) -> bool:
    """Whether a place is a URL and no path of this machine."""
    return "://" in str(place)


def below(folder: str | Path, place: str) -> str:
    """A place as somebody in ``folder`` means it: a URL and an absolute path as they are."""
    return place if is_url(place) else str(Path(folder) / place)


def inside(place: str, *parts: str) -> str:
    """A place inside of another one."""
    if is_url(place):
        return "/".join([place.rstrip("/"), *parts])
    return str(Path(place, *parts))


def object_store(url: str) -> BlobStore:
    """The store at a URL.

    Raises:
        ConfigError: ``invalid_option``, it is not of the form ``s3://BUCKET/PREFIX``.
    """
    found = urlsplit(url)
    if found.scheme != "s3" or not found.netloc or found.query or found.fragment:
        raise ConfigError(
            f"{url} is no place for tables",
            next_step="name a folder, or s3://BUCKET/PREFIX",
        )
    return _s3(found.netloc, found.path.strip("/"))


def require_place(place: str, store: BlobStore, *, option: str) -> None:
    """Make sure, before anything is paid for, that tables can be stored at a place.

    Args:
        place: A folder or a URL.
        store: What keeps tables there.
        option: What to say to name another one, such as ``--results DIR``.

    Raises:
        ConfigError: ``folder_not_writable``.
    """
    if not is_url(place):
        require_folder(place, option=option)
        return
    try:
        store.put(probe_key, b"")
        store.delete(probe_key)
    except StoreError as exc:
        raise ConfigError(
            f"nothing can be stored at {place}: {exc.message}",
            code="folder_not_writable",
            next_step=f"make the bucket and set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name another place with {option}",
        ) from exc


def fetched_document(settings: Settings, run_id: str) -> bool:
    """Bring the document of a run from the store of checkpoints to this host; whether there is one.

    Raises:
        ConfigError: As ``checkpoint_stores``.
        StoreError: The store failed.
    """
    stores = checkpoint_stores(settings)
    if stores is None or not safe_id.fullmatch(run_id):
        return False
    try:
        data = stores.blobs(run_id).get(document_key)
    except StoreError as exc:
        if exc.code == "not_found":
            return False
        raise
    LocalJournals(settings.text("checkpoint_dir")).blobs(run_id).put(document_key, data)
    return True
