"""A pipex project as a Dagster component, so that a project that exists already can add it by ``dg scaffold``.

The component only points at native files and builds the same definitions as ``build_definitions``.
"""

from typing import Any

import dagster as dg
from pydantic import BaseModel

from pipex_core.app.project import Layout, usual_layout
from pipex_dagster.building import build_definitions


class PipexScaffolder(dg.Scaffolder[BaseModel]):
    """Writes a ``defs.yaml`` that names the usual folders."""

    def scaffold(self, request: dg.ScaffoldRequest[BaseModel]) -> None:
        """Write the file; pipelines and suites are the user's own."""
        attributes: dict[str, Any] = {
            "project_dir": ".",
            "pipelines_dir": usual_layout.pipelines,
            "suites_dir": usual_layout.suites,
            "models_file": usual_layout.models,
        }
        dg.scaffold_component(request, attributes)


@dg.scaffold_with(PipexScaffolder)
class PipexComponent(dg.Component, dg.Model, dg.Resolvable):
    """Pipelines as jobs and suites as partitioned assets.

    Attributes:
        project_dir: Folder of the pipex project, relative to that of the Dagster project; results and
            journals are below it.
        pipelines_dir: Folder of pipeline files in it.
        suites_dir: Folder of suite folders in it.
        models_file: File of the targets in it; there may be none.
    """

    project_dir: str = "."
    pipelines_dir: str = usual_layout.pipelines
    suites_dir: str = usual_layout.suites
    models_file: str = usual_layout.models

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions of the project.

        Raises:
            ConfigError: The folder does not exist.
        """
        return build_definitions(
            str(context.project_root / self.project_dir),
            layout=Layout(
                pipelines=self.pipelines_dir, suites=self.suites_dir, models=self.models_file
            ),
        )
