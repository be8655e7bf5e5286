"""Files that cannot be used, as definitions that show what is wrong and fail with it when they are run."""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from pipex_core.errors import ConfigError, PipexError, SpecError
from pipex_dagster.resources import records_key, tables_key
from pipex_dagster.translator import (
    failure_of,
    job_name,
    op_name,
    problem_list,
    problems_group,
    slug,
)

Made = TypeVar("Made")
logger = logging.getLogger("pipex_dagster")


def read_or_error(make: Callable[[], Made]) -> Made | PipexError:
    """What ``make`` gives, or the error that shall be shown in its place.

    A crash counts as an error of the one file that is read: the other files of a project, and the code
    location, must not be taken down by it.
    """
    try:
        return make()
    except PipexError as error:
        return error
    except Exception as crash:
        logger.exception("a file of the project crashed its reader")
        return crashed(crash)


def crashed(crash: Exception) -> PipexError:
    """A crash as an error of pipex or of a plug-in, which names what was raised and where."""
    frames = traceback.extract_tb(crash.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return ConfigError(
        f"reading it crashed with {type(crash).__name__}{place}: {crash}",
        code="internal_error",
        next_step="this is an error of pipex or of a plug-in, not of the file: report it with this text",
    )


def broken_asset(name: str, error: PipexError) -> dg.AssetsDefinition:
    """An asset that shows the problems of a file, and fails with them."""
    spec = dg.AssetSpec(
        [problems_group, slug(name)],
        group_name=problems_group,
        description=_described(error),
        tags={"pipex/broken": "true"},
    )

    # Without an annotation of what it returns: Dagster would make a type of output out of it.
    def fail(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]  # noqa: ANN202 - see above
        del context
        raise failure_of(error)

    return dg.multi_asset(
        specs=[spec.with_io_manager_key(tables_key)], name="__".join(spec.key.path)
    )(fail)


def broken_job(name: str, error: PipexError) -> dg.JobDefinition:
    """A job that shows the problems of a pipeline file, and fails with them."""

    def fail(context: dg.OpExecutionContext, inputs: Mapping[str, Any]) -> Iterator[Any]:
        del context, inputs
        raise failure_of(error)

    op = dg.OpDefinition(
        compute_fn=fail,
        name=op_name(name, "broken_file"),
        description=_described(error),
        outs={"result": dg.Out(io_manager_key=records_key)},
    )

    def body() -> None:
        op.alias("broken_file")()

    graph = dg.graph(name=job_name(name), description=_described(error))(body)
    return graph.to_job(tags={"pipex/broken": "true"})


def _described(error: PipexError) -> str:
    known = problem_list(error) if isinstance(error, SpecError) else f"- `{error.message}`"
    text = f"This file cannot be used:\n\n{known}"
    next_step = error.next_step if isinstance(error, ConfigError) else None
    return f"{text}\n\nWhat to do: {next_step}." if next_step else text
