"""The one place for names in Dagster: asset keys, op names, partitions, groups, tags, metadata and failures.

Users who want other names subclass ``PipexTranslator`` and override ``get_asset_spec``; nothing else in
the package makes up a name.
"""

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote

import dagster as dg

from pipex_core.errors import ConfigError, PipexError, ProviderError, SpecError
from pipex_core.jsonvalue import digest

Layer = Literal[
    "suite", "responses", "scores", "summary", "comparison", "verdict", "leaderboard", "champion"
]
# Those that an evaluation makes, in their order; the champion is moved by somebody's decision only.
layers: Sequence[Layer] = (
    "suite", "responses", "scores", "summary", "comparison", "verdict", "leaderboard",
)  # fmt: skip

targets_partitions = "pipex_targets"
problems_group = "pipex_problems"
longest_partition = 120
longest_name = 100
# Names that Dagster 1.13 refuses besides the keywords of Python.
reserved_words = frozenset(
    [
        "arg_dict",
        "bool",
        "conf",
        "config",
        "context",
        "dict",
        "float",
        "input",
        "input_arg_dict",
        "int",
        "meta",
        "output",
        "output_arg_dict",
        "str",
        "type",
    ]
)
partition_safe = "._:@-"

descriptions: Mapping[Layer, str] = {
    "suite": "The cases, read from the files of the suite. Its data version is the digest of the cases.",
    "responses": "What the target answered. Answers whose key is known are carried over, never bought again.",
    "scores": "One row per case, repeat and metric: a number, or the reason why there is none.",
    "summary": "Means with coverage, bounds and intervals, per metric and slice.",
    "comparison": "This target and the champion case by case: better, worse, or the data cannot tell.",
    "verdict": "The gate's word on this target, against the champion; its rules are the checks.",
    "leaderboard": "All targets of the suite side by side, the champion marked.",
    "champion": "The run that targets are compared with. Only the job `promote` or the command line moves it.",
}
kinds: Mapping[Layer, set[str]] = {
    "suite": {"yaml"},
    "responses": {"parquet", "llm"},
    "scores": {"parquet"},
    "summary": {"parquet"},
    "comparison": {"parquet"},
    "verdict": {"parquet"},
    "leaderboard": {"parquet"},
    "champion": {"json"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteAsset:
    """What an asset of a suite is named and described from.

    Attributes:
        code_version: Changes exactly when the layer's own code or options change.
        automation_condition: Of layers that cost nothing; it waits for a sensor that is off at first.
    """

    suite_id: str
    layer: Layer
    title: str
    description: str | None = None
    code_version: str | None = None
    deps: Sequence[dg.AssetKey] = ()
    partitions_def: dg.PartitionsDefinition[str] | None = None
    automation_condition: dg.AutomationCondition[Any] | None = None


class PipexTranslator:
    """Names and descriptions of everything that pipex shows in Dagster."""

    def get_asset_spec(self, asset: SuiteAsset) -> dg.AssetSpec:
        """The spec of one asset: override this to change keys, groups, owners, tags or texts."""
        about = descriptions[asset.layer]
        if asset.layer == "suite" and asset.description:
            about = f"{asset.description}\n\n{about}"
        return dg.AssetSpec(
            # The role stands last, because the lineage view shows only the last part.
            [slug(asset.suite_id), asset.layer],
            deps=asset.deps,
            description=about,
            group_name=slug(asset.suite_id),
            code_version=asset.code_version,
            kinds=kinds[asset.layer],
            tags={"pipex/suite": slug(asset.suite_id), "pipex/layer": asset.layer},
            metadata={"pipex/suite_name": asset.title},
            partitions_def=asset.partitions_def,
            automation_condition=asset.automation_condition,
        )


def key_of(translator: PipexTranslator, suite_id: str, layer: Layer) -> dg.AssetKey:
    """The key that the translator gives a layer, overridden or not."""
    spec = translator.get_asset_spec(SuiteAsset(suite_id=suite_id, layer=layer, title=suite_id))
    return spec.key


def slug(name: str) -> str:
    """``name`` as Dagster accepts it: other characters become ``_``, reserved words get one behind them.

    Never empty, at most 101 characters.
    """
    safe = re.sub(r"[^A-Za-z0-9_]", "_", name)[:longest_name] or "_"
    return f"{safe}_" if keyword.iskeyword(safe) or safe in reserved_words else safe


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A slug for each name, all different.

    A name that is a slug already keeps it; others that would get a taken one end in six digits of
    their digest, so a name's slug never depends on the order of the names.
    """
    plain = {name: slug(name) for name in names}
    taken = Counter(plain.values())
    return {
        name: made
        if made == name or (taken[made] == 1 and len(name) <= longest_name)
        else f"{made}_{digest(name)[:6]}"
        for name, made in plain.items()
    }


def op_name(pipeline: str, step: str) -> str:
    """Name of the op definition of a step: unique over all jobs and assets of a code location."""
    return f"pl__{slug(pipeline)}__{slug(step)}"


def job_name(pipeline: str) -> str:
    """Name of the job of a pipeline."""
    return f"plg__{slug(pipeline)}"


def partition_of(target: str) -> str:
    """The partition key of a target: its name, with characters that break keys or paths percent-encoded.

    Raises:
        ValueError: The encoded name is longer than 120 characters.
    """
    key = quote(target, safe=partition_safe).replace("...", "%2E%2E%2E").replace("~", "%7E")
    if not key.strip("."):  # `.` and `..` are no file names
        key = key.replace(".", "%2E")
    if not key or len(key) > longest_partition:
        raise ValueError(
            f"the target name {target!r} makes a partition key of {len(key)} characters"
        )
    return key


def target_of(partition: str) -> str:
    """The target's readable name; the inverse of ``partition_of``."""
    return unquote(partition)


def failure_of(error: PipexError, *, shown: Mapping[str, Any] | None = None) -> dg.Failure:
    """The error as Dagster shows it: the code, what happened and what to do; Dagster tries no second time.

    The core has already retried what a retry can help, so a second layer would only multiply bills.

    Args:
        error: What ended the op.
        shown: Metadata of what was done before it.
    """
    metadata: dict[str, Any] = {"code": error.code, "retryable": error.retryable}
    metadata["next"] = dg.MetadataValue.text(what_to_do(error))
    match error:
        case ProviderError():
            metadata |= {"provider": error.provider, "model": error.model}
            metadata |= {} if error.status is None else {"http_status": error.status}
        case SpecError():
            metadata["problems"] = dg.MetadataValue.md(problem_list(error))
        case _:
            pass
    return dg.Failure(
        f"{error.code}: {error.message}",
        metadata={**metadata, **(shown or {})},
        allow_retries=False,
    )


# What somebody can do about an error that says nothing of its own, by code.
_advice: Mapping[str, str] = {
    "auth": "Check the key of the service, then choose Re-execute from failure.",
    "budget_exceeded": "Raise `budget` in the file, or the operator's cap, then choose Re-execute from failure.",
    "cancelled": "Choose Re-execute from failure: it goes on from the journal.",
    "limit_exceeded": "Raise the limit in the file, or do less, then choose Re-execute from failure.",
    "internal_error": "This is an error of pipex or of a plug-in: report it with the log of this run.",
}
_later = "The service may answer later. Choose Re-execute from failure: no finished step is repeated, no answer paid again."
_mend = (
    "Mend the cause and choose Re-execute from failure: no finished step is repeated. Where the text of a"
    " step has to change, start a new run."
)
_file = "Mend the file at the places that are named, and reload the code location."


def what_to_do(error: PipexError) -> str:
    """What the reader of a failed run can do."""
    match error:
        case ConfigError() if error.next_step:
            return error.next_step
        case SpecError():
            return _file
        case _:
            return _advice.get(error.code, _later if error.retryable else _mend)


def problem_list(error: SpecError) -> str:
    """The problems of a file as a Markdown list, one line each."""
    return "\n".join(f"- `{problem}`" for problem in error.problems)


def is_worth_a_retry(error: PipexError) -> bool:
    """Whether one fresh attempt of the op can help: the store hiccuped or a worker process died."""
    return error.code in {"storage_error", "worker_died"}
