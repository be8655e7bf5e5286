"""Metrics that users write: registered by a decorator, found beside a suite, or named by their path.

What is registered by hand holds for the process. A file ``metrics.py`` beside a suite and functions named
``python:module:function`` are code that comes with data: they are imported only when somebody allows it
(``--allow-code``), and hold for that evaluation alone.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final, TypeVar

from pipex_core.app.workers import WorkerCaller
from pipex_core.errors import ConfigError
from pipex_core.jsonvalue import Json, digest_bytes
from pipex_core.metrics.contract import MetricType
from pipex_core.metrics.custom import Caller, Contract, FunctionType, Judgement
from pipex_core.registry import Registry

Function = TypeVar("Function", bound=Judgement)
Found = dict[str, FunctionType]

prefix: Final = "custom:"
python_prefix: Final = "python:"
file_name: Final = "metrics.py"
_name: Final = re.compile(r"[a-z][a-z0-9_]*")
_registered: Found = {}
_collecting: ContextVar[Found | None] = ContextVar("collecting", default=None)


def metric(name: str | None = None, **contract: Any) -> Callable[[Function], Function]:  # noqa: ANN401 - the fields of Contract
    """Make a function a metric, named like the function when no name is given; it stays a function.

    Args:
        name: Letters, digits and ``_``; entries may write ``custom:`` before it.
        contract: Fields of ``Contract``: ``version range direction default_threshold needs depends
            cost_class skewed summary``; and ``replace=True`` to take the place of one of that name.

    Raises:
        ConfigError: ``duplicate_metric``, ``bad_metric``.
    """

    def register(function: Function) -> Function:
        register_metric(name or function.__name__, function, **contract)
        return function

    return register


def register_metric(
    name: str,
    fn: Judgement,
    *,
    replace: bool = False,
    **contract: Any,  # noqa: ANN401 - the fields of Contract
) -> None:
    """Make a function a metric of this process; see ``metric``.

    Raises:
        ConfigError: ``duplicate_metric``, the name is taken; ``bad_metric``, the function or what is
            declared of it cannot be used.
    """
    if not _name.fullmatch(name):
        message = f"the name of a metric is small letters, digits and _, got {name!r}"
        raise ConfigError(message, code="bad_metric")
    home = _collecting.get()
    home = _registered if home is None else home
    if name in home and not replace:
        message = f"the metric {name!r} exists already; replace=True takes its place"
        raise ConfigError(message, code="duplicate_metric")
    home[name] = function_type(f"{prefix}{name}", fn, **contract)


def function_type(
    name: str,
    fn: Judgement,
    *,
    caller: Caller | None = None,
    **contract: Any,  # noqa: ANN401 - the fields of Contract
) -> FunctionType:
    """A function as a metric type, with the digest of its source.

    Raises:
        ConfigError: ``bad_metric``.
    """
    try:
        declared = Contract(**contract)
        return FunctionType(name, fn, declared, source=_source(fn, declared), caller=caller)
    except (TypeError, ValueError) as exc:
        raise ConfigError(f"metric {name!r}: {exc}", code="bad_metric") from exc


def with_authored(
    registry: Registry[MetricType], *, beside: str | Path = "", allow_code: bool = False
) -> Registry[MetricType]:
    """The registry with the metrics of this process and, where code is allowed, of a suite's folder.

    Args:
        registry: Built-in metrics and plug-ins.
        beside: Folder of the suite; empty for none.
        allow_code: Import ``metrics.py`` of that folder, and functions that entries name.

    Raises:
        ConfigError: ``duplicate_metric``, a name is taken; ``code_failed``, the file cannot be imported.
    """
    found = dict(_registered)
    file = Path(beside) / file_name if beside else None
    if allow_code and file is not None and file.is_file():
        for name, kind in metrics_of_file(file).items():
            if name in found:
                message = f"{file}: the metric {name!r} exists already"
                raise ConfigError(message, code="duplicate_metric")
            found[name] = _apart(kind, file)
    return _Open(registry, found, allow_code=allow_code)


def is_code(entry: Json) -> bool:
    """Does a metric entry name a function that comes with data, and that this process does not know?"""
    word = entry.get("type") if isinstance(entry, Mapping) else entry
    if not isinstance(word, str):
        return False
    known = word.removeprefix(prefix).partition(":")[0] in _registered
    return word.startswith(python_prefix) or (word.startswith(prefix) and not known)


class _Open(Registry[MetricType]):
    """A registry that also knows functions by their path."""

    def __init__(self, inner: Registry[MetricType], own: Found, *, allow_code: bool) -> None:
        for name in own:
            if name in inner:
                message = f"the metric {name!r} exists already; yours needs another name"
                raise ConfigError(message, code="duplicate_metric")
        targets: dict[str, MetricType | str] = {name: inner.target(name) for name in inner}
        targets |= {kind.info.name: kind for kind in own.values()}
        short = {name: kind.info.name for name, kind in own.items()}
        super().__init__(inner.kind, targets, aliases={**inner.aliases(), **short})
        self._allow_code = allow_code

    def __contains__(self, name: object) -> bool:
        is_path = isinstance(name, str) and name.startswith(python_prefix)
        return is_path or super().__contains__(name)

    def get(self, name: str) -> MetricType:
        """As of any registry; a function named by its path is imported now.

        Raises:
            ConfigError: ``code_not_allowed`` or ``code_failed``.
        """
        if not name.startswith(python_prefix):
            return super().get(name)
        if not self._allow_code:
            message = f"the metric {name!r} is code, which nobody allowed to be run"
            raise ConfigError(
                message,
                code="code_not_allowed",
                next_step="add --allow-code (allow_code=True in Python) if you trust it",
            )
        # Named by whoever wrote the suite: it may hang or crash, and then nothing else does.
        caller = WorkerCaller({"path": name.removeprefix(python_prefix)})
        return function_type(name, function_at(name), caller=caller, cost_class="pool")


def _apart(kind: FunctionType, file: Path) -> FunctionType:
    """A metric of a file that declares itself heavy, called in a process of its own."""
    if kind.info.cost_class != "pool":
        return kind
    name = kind.info.name.removeprefix(prefix)
    return kind.called_by(WorkerCaller({"file": str(file.resolve()), "name": name}))


def function_at(name: str) -> Judgement:
    """The function that ``python:<module>:<function>`` names; its module is imported.

    Raises:
        ConfigError: ``bad_metric`` or ``code_failed``.
    """
    module, _, attribute = name.removeprefix(python_prefix).rpartition(":")
    if not module or not attribute:
        message = f"{name!r} is not python:<module>:<function>"
        raise ConfigError(message, code="bad_metric")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        raise ConfigError(f"metric {name!r}: {exc}", code="code_failed") from exc
    if not callable(found):
        raise ConfigError(f"metric {name!r} is no function", code="bad_metric")
    function: Judgement = found
    return function


def metrics_of_file(file: Path) -> Found:
    """The metrics that a file registers when it is imported.

    Raises:
        ConfigError: ``code_failed``.
    """
    # The name says where it came from, so that two suites may both have such a file.
    name = f"pipex_suite_metrics_{sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} cannot be imported", code="code_failed")
    module = module_from_spec(spec)
    sys.modules[name] = module
    with collected() as found:
        try:
            spec.loader.exec_module(module)
        except _failures as exc:
            message = f"{file}: {type(exc).__name__}: {exc}"
            raise ConfigError(message, code="code_failed") from exc
    return found


# What the code of others raises; a ConfigError of ours says what is wrong already.
_failures: Final = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError),
    *(OSError, RuntimeError, SyntaxError, TypeError, ValueError),
)


@contextmanager
def collected() -> Iterator[Found]:
    """Where metrics go that are registered meanwhile, instead of into the process."""
    found: Found = {}
    token = _collecting.set(found)
    try:
        yield found
    finally:
        _collecting.reset(token)


def _source(fn: Judgement, contract: Contract) -> Mapping[str, Json]:
    """Digests of the file that defines a function, and of what it depends on."""
    file = _file_of(fn)
    where = file.parent if file else Path()
    return {
        "code": digest_bytes(file.read_bytes() if file else _text_of(fn)),
        "depends": {one: _state_of(one, where) for one in contract.depends},
    }


def _file_of(fn: Judgement) -> Path | None:
    try:
        found = inspect.getsourcefile(inspect.unwrap(fn))
    except TypeError:
        return None
    return Path(found) if found and Path(found).is_file() else None


def _text_of(fn: Judgement) -> bytes:
    """What tells a function without a file from another one: its text, else its code."""
    try:
        return inspect.getsource(fn).encode()
    except (OSError, TypeError):
        code = getattr(fn, "__code__", None)
        return repr(fn).encode() if code is None else code.co_code + repr(code.co_consts).encode()


def _state_of(name: str, where: Path) -> str:
    """Digest of a file, version of a distribution, or the text itself."""
    path = where / name
    if path.is_file():
        return digest_bytes(path.read_bytes())
    try:
        return version(name)
    except (PackageNotFoundError, ValueError):
        return name
