"""``pipex doctor`` and ``pipex metric``: what this machine and this version can do."""

import math
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pipex_core.cli.main import LazyGroup, emit, exit_invalid, exit_ok
from pipex_core.errors import PipexError

if TYPE_CHECKING:
    from pipex_core.app.settings import Settings
    from pipex_core.metrics.contract import MetricInfo

least_free_mb = 100

TABLE: Mapping[str, tuple[str, str]] = {
    "list": ("pipex_core.cli.ops:list_", "List the metrics with what they need."),
    "show": ("pipex_core.cli.ops:show", "Show one metric: range, options, version."),
    "run": ("pipex_core.cli.metrics:run", "Measure texts with one metric."),
    "test": ("pipex_core.cli.metrics:test", "Check whether a metric keeps the promises of metrics."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "warning", "error"]
    message: str


@click.command(short_help="Check the settings and this machine.")
@click.option("--settings", "all_settings", is_flag=True, help="Show every setting and its origin.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def doctor(*, all_settings: bool, as_json: bool) -> int:
    """Check settings, keys, folders, prices and libraries; exit 2 when something is broken."""
    from pipex_core.app.settings import read_settings

    settings = read_settings()
    found = list(_findings(settings))
    shown = _settings_document(settings) if all_settings else {}
    ok = all(one.state != "error" for one in found)
    payload = {
        "schema": "pipex.doctor/1",
        "ok": ok,
        "checks": [asdict(one) for one in found],
        "settings": shown,
    }
    lines = [f"{one.state:8} {one.name}: {one.message}" for one in found]
    lines += [f"  {name} = {one['value']}  ({one['origin']})" for name, one in shown.items()]
    emit(payload, as_json=as_json, text="\n".join(lines))
    return exit_ok if ok else exit_invalid


@click.group("metric", cls=LazyGroup, table=TABLE)
def metric() -> None:
    """List, show, try and test metrics."""


@click.command("list")
@click.option("--needs", metavar="WORD", help="Only metrics that need this, such as reference.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def list_(*, needs: str | None, as_json: bool) -> int:
    """List the metrics with range, direction, default threshold and what they need."""
    from pipex_core.app.wiring import metrics
    from pipex_core.evals.rendering import Grid, number, text_table

    known = metrics()
    infos = [known.get(name).info for name in known]
    chosen = [info for info in infos if needs is None or needs in info.needs]
    grid = Grid(
        header=[("metric", "left"), ("range", "left"), ("better", "left"), ("threshold", "right"), ("needs", "left"), ("", "left")],
        rows=[
            [info.name, _range(info), info.direction, number(info.default_threshold), " ".join(sorted(info.needs)), info.summary]
            for info in chosen
        ],
    )  # fmt: skip
    payload = {"schema": "pipex.metrics/1", "metrics": [_metric_document(info) for info in chosen]}
    emit(payload, as_json=as_json, text=lambda: text_table(grid))
    return exit_ok


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def show(name: str, *, as_json: bool) -> int:
    """Show the metric NAME: what it measures, its range and its options."""
    from pipex_core.app.wiring import metrics

    known = metrics()
    info = known.get(name).info
    names = [alias for alias, of in known.aliases().items() if of == info.name]
    document = {"schema": "pipex.metrics/1", "metrics": [_metric_document(info)]}
    emit(document, as_json=as_json, text=lambda: "\n".join(_metric_lines(info, names)))
    return exit_ok


def _findings(settings: "Settings") -> Iterator[Finding]:
    version = sys.version.split()[0]
    yield Finding("python", "ok", version)
    for warning in settings.warnings:
        yield Finding("settings", "warning", warning)
    for name in ("checkpoint_dir", "output_dir"):
        yield _folder(name, Path(settings.text(name)))
    yield _results(settings.text("results_dir"))
    yield _checkpoints(settings)
    yield from _keys(settings)
    yield _prices(settings)
    yield _metrics()


def _results(place: str) -> Finding:
    """Whether tables of results can be stored; at a URL one value is, and removed again."""
    from pipex_core.app.stores import is_url, require_place
    from pipex_core.app.wiring import results_store
    from pipex_core.errors import ConfigError

    if not is_url(place):
        return _folder("results_dir", Path(place))
    try:
        require_place(place, results_store(place), option="PIPEX_RESULTS_DIR")
    except ConfigError as exc:
        return Finding("results_dir", "error", exc.message)
    return Finding("results_dir", "ok", place)


def _checkpoints(settings: "Settings") -> Finding:
    """Whether checkpoints can be stored and read: by one value, which is removed again."""
    from pipex_core.app.stores import checkpoint_stores, probe_key
    from pipex_core.errors import PipexError

    backend = settings.text("checkpoint_backend")
    try:
        stores = checkpoint_stores(settings)
        if stores is not None:
            blobs = stores.blobs(probe_key)
            blobs.put(probe_key, b"pipex")
            is_whole = blobs.get(probe_key) == b"pipex"
            blobs.delete(probe_key)
            if not is_whole:
                return Finding("checkpoint_backend", "error", f"{backend} reads back differently")
    except PipexError as exc:
        return Finding("checkpoint_backend", "error", f"{backend}: {exc.message}")
    if backend == "memory":
        return Finding("checkpoint_backend", "warning", "memory: checkpoints end with the process")
    return Finding("checkpoint_backend", "ok", backend)


def _folder(name: str, path: Path) -> Finding:
    """Whether files can be written there, without leaving any behind."""
    from pipex_core.app.files import why_not_writable

    reason = why_not_writable(path)
    if reason is not None:
        return Finding(name, "error", f"nothing can be written in {path}: {reason}")
    nearest = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    free_mb = shutil.disk_usage(nearest).free // 2**20
    if free_mb < least_free_mb:
        return Finding(name, "error", f"{path} has only {free_mb} MB free")
    return Finding(name, "ok", f"{path} ({free_mb:,} MB free)")


def _keys(settings: "Settings") -> Iterator[Finding]:
    for vendor, variable in (("anthropic", "ANTHROPIC_API_KEY"), ("gemini", "GEMINI_API_KEY")):
        if settings.values[f"{vendor}_key"] is None:
            yield Finding(vendor, "ok", f"no key; set {variable} for --provider live")
        else:
            yield Finding(vendor, "ok", "the key is set")


def _prices(settings: "Settings") -> Finding:
    from pipex_core.app.wiring import prices_of, today

    try:
        prices = prices_of(settings)
    except PipexError as exc:
        return Finding("prices", "error", exc.message)
    if prices.is_stale(today()):
        return Finding("prices", "warning", f"the price table of {prices.as_of} is old")
    return Finding("prices", "ok", f"table of {prices.as_of}")


def _metrics() -> Finding:
    from pipex_core.app.wiring import metrics

    known = metrics()
    broken = []
    for name in known:
        try:
            known.get(name)
        except PipexError as exc:
            broken.append(exc.message)
    if broken:
        return Finding("metrics", "warning", "; ".join(broken))
    return Finding("metrics", "ok", f"{len(known)} metrics")


def _settings_document(settings: "Settings") -> dict[str, dict[str, str]]:
    return {
        name: {"value": str(value), "origin": settings.origins[name]}
        for name, value in settings.values.items()
    }


def _range(info: "MetricInfo") -> str:
    low, high = (
        "-inf" if end == -math.inf else "inf" if end == math.inf else f"{end:g}"
        for end in info.range
    )
    return f"{low}..{high}"


def _metric_document(info: "MetricInfo") -> dict[str, Any]:
    low, high = (end if math.isfinite(end) else None for end in info.range)
    return {
        "name": info.name,
        "summary": info.summary,
        "version": info.version,
        "range": [low, high],
        "direction": info.direction,
        "default_threshold": info.default_threshold,
        "needs": sorted(info.needs),
        "levels": list(info.levels),
        "options": {name: asdict(option) for name, option in info.options.items()},
    }


def _metric_lines(info: "MetricInfo", aliases: list[str]) -> Iterator[str]:
    yield f"{info.name} (version {info.version}): {info.summary}"
    if aliases:
        yield f"also called {', '.join(sorted(aliases))}"
    yield f"range {_range(info)}, {info.direction} is better, needs {', '.join(sorted(info.needs)) or 'nothing'}"
    if info.default_threshold is not None:
        yield f"passes at {info.default_threshold:g} unless an entry says otherwise"
    for name, option in info.options.items():
        choices = f" of {', '.join(map(str, option.choices))}" if option.choices else ""
        yield f"  {name}: {option.kind}{choices}, default {option.default!r}. {option.description}".rstrip()
