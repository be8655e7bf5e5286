"""The command that repeats an evaluation, from what is kept of its request."""

import shlex
from collections.abc import Iterator, Mapping

from pipex_core.app.requests import EvalRequest
from pipex_core.evals.job import RunOptions
from pipex_core.jsonvalue import Json, canonical

settable = ("timeout_is", "impute", "accept_degraded", "second_pass", "max_attempts", "reuse")
usual = RunOptions()
_provider_options = {"mock_responses": "--mock-responses", "cassette": "--cassette"}


def command_of(request: EvalRequest, provider: Mapping[str, Json], *, results: str) -> str:
    """``pipex eval run`` with the words of a request; empty when no words of a command say it.

    Args:
        request: As kept beside the journal.
        provider: Kind and files of who answered.
        results: Folder of the result tables.
    """
    words = [*_words(request), *_answering(provider), "--results", results]
    if request.judges or any(not isinstance(one, str) for one in request.metrics or ()):
        return ""  # they stood in a file that a request does not name
    return shlex.join(["pipex", "eval", "run", request.suite, *words])


def _words(request: EvalRequest) -> Iterator[str]:
    yield from _target(request.target)
    for metric in request.metrics or ():
        yield from ("--metric", str(metric))
    named = {
        "--gate": request.gate,
        "--baseline": request.baseline,
        "--repeats": request.repeats,
        "--reducer": request.reducer,
        "--where": request.holding,
        "--sample": request.sample_size,
        "--stratify": request.stratify,
        "--limit": request.limit,
        "--seed": request.seed or None,
    }
    for option, value in named.items():
        if value is not None:
            yield from (option, str(value))
    for name, value in request.where.items():
        yield from ("--filter", f"{name}={value}")
    flags = {
        "--allow-uncertified": request.allow_uncertified,
        "--allow-code": request.allow_code,
        "--fail-on-threshold": request.fail_on_threshold,
    }
    yield from (flag for flag, is_set in flags.items() if is_set)
    for name in settable:
        value = getattr(request.options, name)
        if value != getattr(usual, name):
            yield from ("--set", f"{name}={value if isinstance(value, str) else canonical(value)}")
    yield from _limits(request)


def _target(target: str | Mapping[str, Json]) -> Iterator[str]:
    if isinstance(target, str):
        yield from ("--target", target)
        return
    options = {"path": "--target", "output_step": "--output-step"}
    options |= {"model": "--model", "prompt": "--prompt"}
    for name, option in options.items():
        if target.get(name):
            yield from (option, str(target[name]))
    bindings = target.get("bindings") or {}
    for name, value in (bindings.get("inputs") or {}).items():
        yield from ("--bind", f"{name}={value if isinstance(value, str) else canonical(value)}")


def _limits(request: EvalRequest) -> Iterator[str]:
    budget = request.options.budget
    if budget is None:
        return
    caps = {
        "--max-cost": budget.max_cost_usd,
        "--max-calls": budget.max_calls,
        "--max-tokens": budget.max_tokens,
    }
    for option, value in caps.items():
        if value is not None:
            yield from (option, str(value))


def _answering(provider: Mapping[str, Json]) -> Iterator[str]:
    yield from ("--provider", str(provider["kind"]))
    for name, option in _provider_options.items():
        if provider.get(name):
            yield from (option, str(provider[name]))
