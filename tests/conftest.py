"""Fences around every test: no network but loopback, no provider keys, no settings of the developer's shell."""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.real_servers import Postgres, s3_server

root = Path(__file__).resolve().parents[1]
loopback = ("127.", "::1", "localhost")
foreign_settings = (
    "PIPELINE_",
    "PIPEX_",
    "ANTHROPIC_",
    "GEMINI_",
    "GOOGLE_",
    "CLAUDE_",
    "DAGSTER_",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(foreign_settings) and name != "PIPEX_SHARED_DATA":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else str(address)
        if self.family != socket.AF_UNIX and not str(host).startswith(loopback):
            raise ConnectionRefusedError(f"tests talk to loopback only, not to {host}")
        real(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    yield
    patch.undo()


def shared_folder() -> Path:
    """Where the real data sets and conformance vectors are, if they are there at all."""
    data = os.environ.get("PIPEX_SHARED_DATA")
    return Path(data).parent if data else root.parent / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of the real data sets and conformance vectors, which are not part of the repository."""
    folder = shared_folder()
    if not (folder / "data").is_dir():
        pytest.skip(f"the shared data sets are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server of this test process."""
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A real server of the S3 protocol with the bucket ``pipex``; what a client of it is made with."""
    with s3_server(tmp_path_factory.mktemp("s3")) as options:
        import boto3

        boto3.session.Session().client("s3", **options).create_bucket(Bucket="pipex")
        yield options


@pytest.fixture
def bucket(s3: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a bucket of a real server; its address and keys are where the AWS tools look for them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3["aws_secret_access_key"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", s3["region_name"])
    return "pipex"
