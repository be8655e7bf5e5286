"""The champion of a suite as an asset, and the one job that moves it: explicit, after a verdict, and audited.

The asset cannot be materialized, so no backfill and no *materialize all* ever moves it. The job computes
the verdict anew against the present champion; what is no PASS moves nothing, unless somebody forces it
and says why, which the log of baselines and the audit log tell.
"""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from pipex_core.app.baselines import Moved, Wish, promote
from pipex_core.app.settings import read_settings
from pipex_core.app.stored import find_run
from pipex_core.app.wiring import results_store
from pipex_core.errors import ConfigError, PipexError
from pipex_core.evals.archive import Archive
from pipex_core.evals.baselines import Pointer
from pipex_core.evals.verdict import sentence
from pipex_core.jsonvalue import digest
from pipex_dagster.presentation import Metadata, numbers
from pipex_dagster.resources import core_key, project_settings, records_key
from pipex_dagster.suitefiles import SuiteFiles
from pipex_dagster.translator import (
    PipexTranslator,
    SuiteAsset,
    failure_of,
    key_of,
    slug,
)

data_version_tag = "dagster/data_version"


class PromoteConfig(dg.Config):
    """Who becomes the champion, as the launchpad asks."""

    run: str = Field(
        description="A run as `pipex eval list` names it, or a target, whose newest run is taken."
    )
    reason: str = Field(description="Why, for those who read the log later.")
    actor: str = Field(default="", description="Who decides; the user of the worker when empty.")
    force: bool = Field(
        default=False, description="Promote whatever the verdict is; the logs tell of it."
    )


def champion_asset(files: SuiteFiles, translator: PipexTranslator) -> dg.AssetSpec:
    """The champion: an asset without a way to materialize it."""
    suite = files.suite
    return translator.get_asset_spec(
        SuiteAsset(
            suite_id=suite.id,
            layer="champion",
            title=suite.name or suite.id,
            description=suite.description,
        )
    )


def promotion_name(suite_id: str) -> str:
    """Name of the job that moves the champion of a suite."""
    return f"promote__{slug(suite_id)}"


def promotion_job(files: SuiteFiles, translator: PipexTranslator) -> dg.JobDefinition:
    """The job that lets the champion's pointer name another run."""
    suite = files.suite
    key = key_of(translator, suite.id, "champion")
    name = promotion_name(suite.id)

    def move(context: dg.OpExecutionContext, inputs: Any) -> Any:  # noqa: ANN401 - Dagster's signature
        del inputs
        config = PromoteConfig(**context.op_config)
        pipex = getattr(context.resources, core_key)
        try:
            moved = _promoted(pipex.project_dir, suite.id, config)
        except PipexError as error:
            raise failure_of(error) from error
        if moved.pointer is not None:
            context.log_event(pointer_event(key, moved.pointer, moved=moved))
        yield dg.Output(None, "moved")

    op = dg.OpDefinition(
        compute_fn=move,
        name=f"{name}__move",
        description=f"Lets the champion of {suite.name or suite.id} be another run.",
        config_schema=PromoteConfig.to_fields_dict(),
        required_resource_keys={core_key},
        outs={"moved": dg.Out(dg.Nothing, io_manager_key=records_key)},
    )

    def body() -> None:
        op.alias("move")()

    graph = dg.graph(
        name=name,
        description=(
            "Computes the verdict of a run against the present champion and, after a PASS, lets the"
            " champion be that run. Nothing else moves it."
        ),
    )(body)
    return graph.to_job(tags={"pipex/suite": slug(suite.id)})


def _promoted(project_dir: str, suite_id: str, config: PromoteConfig) -> Moved:
    """The champion after a move.

    Raises:
        ConfigError: ``not_promoted``, the verdict is no PASS; ``other_project``; or as ``promote``.
    """
    here, named = Path(project_dir).resolve(), Path(read_settings().text("project_dir")).resolve()
    if here != named:
        raise ConfigError(
            f"the baselines of this process are those of {named}, not of {here}",
            code="other_project",
            next_step=f"start Dagster with PIPEX_PROJECT_DIR={here}",
        )
    archive = Archive(results_store(project_settings(project_dir).text("results_dir")))
    place = find_run(archive, config.run, suite=suite_id)
    wish = Wish(reason=config.reason, force=config.force, actor=config.actor or None)
    moved = promote(archive, place.run_id, wish)
    if moved.entry is None and moved.verdict is not None:
        raise ConfigError(
            f"run {place.run_id} is not promoted: {sentence(moved.verdict)}",
            code="not_promoted",
            next_step="look at its verdict; `force: true` with a reason promotes it all the same",
        )
    return moved


def pointer_event(
    key: dg.AssetKey, pointer: Pointer, *, moved: Moved | None = None
) -> dg.AssetMaterialization:
    """What the asset of the champion is told of a pointer; its data version is that of what it names."""
    metadata: Metadata = {
        **numbers({f"{name}_mean": mean for name, mean in sorted(pointer.summary.items())}),
        "target": dg.MetadataValue.text(pointer.target_id),
        "run": dg.MetadataValue.text(pointer.run_id),
        "reason": dg.MetadataValue.text(pointer.reason),
        "promoted by": dg.MetadataValue.text(pointer.blessed_by),
        "promoted at": dg.MetadataValue.text(pointer.blessed_at),
        "before": dg.MetadataValue.text(pointer.previous or "nobody"),
    }
    if moved is not None and moved.verdict is not None:
        metadata["verdict"] = dg.MetadataValue.text(moved.verdict.verdict)
    return dg.AssetMaterialization(
        key, metadata=metadata, tags={data_version_tag: pointer_version(pointer)}
    )


def pointer_version(pointer: Pointer) -> str:
    """Data version of the champion: another run, another version."""
    return digest([pointer.run_id])[:16]
