"""The records of a log file: packed or not, in any form that ``recordfile`` reads, with broken lines noted.

A log is what is left when programs write, are killed and are cut off by a rotation, so a line that
cannot be read is no reason to refuse the others, wherever in the file it stands.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from pipex_core.errors import ConfigError
from pipex_core.evals.lossreport import Loss
from pipex_core.evals.recordfile import Records, records_of
from pipex_core.jsonvalue import parse

most_bytes: Final = 1 << 30  # of a file, unpacked
_looked_at: Final = 100  # lines that tell whether a file holds one JSON value per line
_gzip: Final = b"\x1f\x8b"
_zstd: Final = b"\x28\xb5\x2f\xfd"


def log_records(data: bytes, rejected: list[Loss], *, most: int = most_bytes) -> Records:
    """The records of a log with their line, or their number where lines mean nothing.

    Args:
        data: The file: JSON, JSON lines, CSV, TSV or Parquet, as it is or packed by gzip or zstd.
        rejected: Told the lines that cannot be read.
        most: Bytes of the unpacked file.

    Raises:
        ConfigError: ``not_records``, the file is none of these formats; ``too_large``.
    """
    plain = unpacked(data, most=most)
    if plain.startswith(b"PAR1"):
        return records_of(plain, rejected)
    if not _is_lines(plain):
        try:
            return records_of(plain, rejected)
        except ConfigError:
            # A list that was cut off may still be followed by whole lines.
            if not plain.lstrip().startswith(b"["):
                raise
    return _lines(plain, rejected)


def unpacked(data: bytes, *, most: int = most_bytes) -> bytes:
    """The bytes of a file that may be packed, told by how it begins.

    Raises:
        ConfigError: ``not_records``, the packed file is damaged; ``too_large``, more than ``most``.
    """
    try:
        if data.startswith(_gzip):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(most + 1)
        elif data.startswith(_zstd):
            with pa.input_stream(io.BytesIO(data), compression="zstd") as stream:
                data = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as exc:
        message = f"the packed file is damaged: {exc}"
        raise ConfigError(message, code="not_records") from exc
    if len(data) > most:
        message = f"the file has more than {most:,} bytes when it is unpacked"
        raise ConfigError(message, code="too_large", next_step="cut it into several files")
    return data


def _is_lines(data: bytes) -> bool:
    """Do most of the first lines begin a JSON object? A line of a document that is spread out rarely does."""
    lines = [line for line in data[:1_000_000].splitlines()[:_looked_at] if line.strip()]
    opened = sum(line.lstrip().startswith(b"{") for line in lines)
    return 2 * opened > len(lines) and len(lines) > 1


def _lines(data: bytes, rejected: list[Loss]) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            yield where, parse(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            rejected.append(Loss(where=where, effect="not UTF-8", feature="unreadable"))
        except ValueError as exc:
            rejected.append(Loss(where=where, effect=f"not JSON: {exc}", feature="unreadable"))
