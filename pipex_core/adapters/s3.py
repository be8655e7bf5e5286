"""Blobs in a bucket of S3 or of a server that speaks its protocol.

Nothing here rests on what servers differ in: listings are sorted here, parts of keys are percent-encoded,
and a body that ends early is read again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipex_core.errors import StoreError
from pipex_core.ports import key_part

connect_timeout_s = 2
read_timeout_s = 10
attempts = 3
absent = frozenset({"404", "NoSuchKey", "NotFound"})
no_parts = frozenset({"", ".", ".."})


class S3Blobs:
    """A ``BlobStore`` below a prefix of a bucket.

    Args:
        bucket: Its name.
        prefix: Of all keys, without a slash at the end; empty for the whole bucket.
        options: Of the client: ``endpoint_url``, ``region_name``, credentials; what is left out comes
            from where the AWS tools look for it.
    """

    def __init__(self, bucket: str, *, prefix: str = "", **options: Any) -> None:  # noqa: ANN401 - boto3's
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = _client(tuple(sorted(options.items())))

    def put(self, key: str, data: bytes) -> None:
        name = self._name(key)
        with _store_errors("cannot store", key):
            self._client.put_object(Bucket=self._bucket, Key=name, Body=data)

    def get(self, key: str) -> bytes:
        name = self._name(key)
        with _store_errors("cannot read", key):
            for _ in range(attempts - 1):
                try:
                    return self._read(name)
                except ClientError:
                    raise
                except BotoCoreError:
                    continue  # the body ended early, which the SDK does not try again
            return self._read(name)

    def exists(self, key: str) -> bool:
        name = self._name(key)
        try:
            with _store_errors("cannot look for", key):
                self._client.head_object(Bucket=self._bucket, Key=name)
        except StoreError as exc:
            if exc.code == "not_found":
                return False
            raise
        return True

    def list(self, prefix: str = "") -> Iterator[str]:
        encoded = "/".join(map(key_part, prefix.split("/")))
        pages = self._client.get_paginator("list_objects_v2")
        with _store_errors("cannot list", prefix):
            found = [
                unquote(one["Key"].removeprefix(self._prefix))
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + encoded)
                for one in page.get("Contents", ())
            ]
        return iter(sorted(key for key in found if key.startswith(prefix)))

    def delete(self, key: str) -> None:
        name = self._name(key)
        with _store_errors("cannot delete", key):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def url(self, key: str = "") -> str:
        return f"s3://{self._bucket}/{self._name(key) if key else self._prefix}"

    def _read(self, name: str) -> bytes:
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        return body

    def _name(self, key: str) -> str:
        parts = key.split("/")
        if not no_parts.isdisjoint(parts) or "\0" in key:
            raise StoreError(f"{key!r} is not a key", code="path_denied")
        return self._prefix + "/".join(map(key_part, parts))


@lru_cache(maxsize=8)
def _client(options: tuple[tuple[str, Any], ...]) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    """A client; making one takes a quarter of a second, using one from several threads is safe."""
    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    # A session of our own: the shared one is not safe to make clients of in several threads.
    return boto3.session.Session().client("s3", config=config, **dict(options))


@contextmanager
def _store_errors(what: str, key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as exc:
        code = str(exc.response.get("Error", {}).get("Code", ""))
        if code in absent:
            raise StoreError(f"{key} is not stored", code="not_found") from exc
        raise StoreError(f"{what} {key}: {code or exc}") from exc
    except BotoCoreError as exc:
        raise StoreError(f"{what} {key}: {exc}") from exc
