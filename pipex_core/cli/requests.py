"""The words of ``pipex eval run`` as requests: targets, metrics, limits and labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipex_core.errors import ConfigError

if TYPE_CHECKING:
    from pipex_core.app.requests import EvalRequest
    from pipex_core.evals.job import RunOptions
    from pipex_core.llm.client import CachePolicy
    from pipex_core.llm.cost import Budget


def requests_of(given: Mapping[str, Any]) -> list["EvalRequest"]:
    """One request per target, in the order of the options.

    Raises:
        ConfigError: No suite, no target, or a word that is not KEY=VALUE.
    """
    from pipex_core.app.judges import judges_of
    from pipex_core.app.requests import EvalRequest
    from pipex_core.app.suites import suite_word

    suite = given["suite_option"] or given["suite"]
    if suite is None:
        raise ConfigError(
            "name a suite: a folder, a file or the id of a suite under test_suites/",
            next_step="pipex eval run SUITE --target pipelines/FILE.yaml",
        )
    common = EvalRequest(
        suite=suite_word(suite),
        target="",
        metrics=metrics_of(given),
        gate=given["gate"],
        baseline=given["baseline"],
        repeats=given["repeats"],
        reducer=given["reducer"],
        where=dict(pairs_of("--filter", given["filters"])),
        holding=given["where"],
        sample_size=given["sample"],
        stratify=given["stratify"],
        limit=given["limit"],
        seed=given["seed"],
        options=_options(given),
        labels=dict(pairs_of("--label", given["labels"])),
        carry=given["carry"] == "auto" and not given["reroll"],
        fail_on_threshold=given["fail_on_threshold"],
        judges=judges_of(given["judge"]),
        allow_uncertified=given["allow_uncertified"],
        allow_code=given["allow_code"],
    )
    return [replace(common, target=target) for target in _targets(given)]


def _targets(given: Mapping[str, Any]) -> list[str | Mapping[str, Any]]:
    """The targets in the order of their options; a model alone asks with the suite's prompt."""
    words = [word for word in (given["target"], given["pipeline"], *given["targets"]) if word]
    inputs = dict(pairs_of("--bind", given["binds"]))
    from pipex_core.app.targets import target_map

    models = given["models"] or (None,)
    found: list[str | Mapping[str, Any]] = []
    for word in words:
        if not (inputs or given["models"] or given["output_step"]):
            found.append(word)
            continue
        bindings = {"inputs": inputs} if inputs else {}
        for model in models:
            named = {"model": model, "output_step": given["output_step"], "bindings": bindings}
            found.append({**target_map(word), **_set(named)})
    if not words:
        prompts = [_set({"kind": "prompt", "model": m, "prompt": given["prompt"]}) for m in models]
        found += prompts if given["models"] or given["prompt"] else []
    found += given["recorded"]
    if not found:
        raise ConfigError(
            "name a target: a pipeline, a target file, a model or recorded answers",
            next_step=f"pipex eval run {given['suite_option'] or given['suite']} --target pipelines/FILE.yaml",
        )
    return found


def metrics_of(given: Mapping[str, Any]) -> list[Any] | None:
    """The metric entries of ``-m`` and ``--metrics``; None without any."""
    found: list[Any] = list(given["metrics"])
    if given["metrics_file"]:
        from pipex_core.app.suites import load_metrics

        found += load_metrics(given["metrics_file"])
    return found or None


def _options(given: Mapping[str, Any]) -> "RunOptions":
    from pipex_core.evals.job import RunOptions

    cache: CachePolicy = "refresh" if given["refresh"] or given["reroll"] else "use"
    return RunOptions(
        **settings_of(given["settings"]),
        reroll=given["reroll"],
        allow_paths=list(given["allow_path"]),
        max_concurrency=given["max_concurrency"],
        max_missing=given["max_missing"],
        max_time_s=given["max_time"],
        cache="off" if given["no_cache"] else cache,
        budget=budget_of(given),
    )


def settings_of(words: Sequence[str]) -> dict[str, Any]:
    """The options of a run that ``--set`` gives, as their types.

    Raises:
        ConfigError: ``bad_option``, an unknown name or a value that it cannot have.
    """
    from pipex_core.registry import nearest

    found: dict[str, Any] = {}
    for name, word in pairs_of("--set", words):
        if name not in _settable:
            near = nearest(name, _settable)
            hint = f"; did you mean {near!r}?" if near else f"; known: {', '.join(_settable)}"
            raise ConfigError(f"--set: there is no option {name!r}{hint}", code="bad_option")
        values = _settable[name]
        if values is None:
            if not (word.isascii() and word.isdigit() and int(word) > 0):
                message = f"--set {name}: a whole number of at least 1 is needed, not {word!r}"
                raise ConfigError(message, code="bad_option")
            found[name] = int(word)
        elif word not in values:
            message = f"--set {name}: one of {', '.join(values)} is needed, not {word!r}"
            raise ConfigError(message, code="bad_option")
        else:
            found[name] = values[word]
    return found


# Words of each option with what they mean; None is a whole number.
_settable: Mapping[str, Mapping[str, Any] | None] = {
    "timeout_is": {"missing": "missing", "failure": "failure"},
    "impute": {"worst": "worst", "exclude": "exclude"},
    "accept_degraded": {"true": True, "false": False},
    "second_pass": {"true": True, "false": False},
    "max_attempts": None,
    "reuse": {"hermetic": "hermetic", "always": "always"},
}


def budget_of(given: Mapping[str, Any]) -> "Budget | None":
    """The budget that the caps add up to; None without caps."""
    caps = {name: given[name] for name in ("max_cost", "max_calls", "max_tokens")}
    if not _set(caps):
        return None
    from pipex_core.llm.cost import Budget

    cost = caps["max_cost"]
    return Budget(
        name="run",
        max_cost_usd=None if cost is None else Decimal(str(cost)),
        max_calls=caps["max_calls"],
        max_tokens=caps["max_tokens"],
    )


def _set(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def pairs_of(option: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Words KEY=VALUE as pairs."""
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            raise ConfigError(f"{option} is written KEY=VALUE, not {word!r}")
        yield name, value
