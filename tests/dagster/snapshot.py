"""All definitions of the small project by name: assets, checks, partitions, jobs, sensors and schedules.

``python -m tests.dagster.snapshot`` writes the golden file anew.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from pipex_dagster.building import build_definitions
from tests.dagster.conftest import Project

golden = Path(__file__).resolve().parents[1] / "golden/dagster_definitions.json"


def snapshot(found: dg.Definitions) -> str:
    """The text of the golden file."""
    return json.dumps(described(found), indent=1, sort_keys=True) + "\n"


def described(found: dg.Definitions) -> dict[str, Any]:
    """Everything that people, dashboards and other code locations name, as JSON."""
    graph = found.resolve_asset_graph()
    return {
        "assets": {
            spec.key.to_user_string(): {
                "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
                "group": spec.group_name,
                "kinds": sorted(spec.kinds),
                "tags": {k: v for k, v in spec.tags.items() if not k.startswith("dagster/kind")},
                "partitions": getattr(spec.partitions_def, "name", None),
                "materializable": graph.get(spec.key).is_materializable,
                "automation": str(
                    spec.automation_condition and spec.automation_condition.get_label()
                ),
            }
            for spec in found.resolve_all_asset_specs()
        },
        "checks": {
            f"{key.asset_key.to_user_string()}:{key.name}": {
                "blocking": graph.get_check_spec(key).blocking,
                "partitions": getattr(graph.get_check_spec(key).partitions_def, "name", None),
            }
            for key in graph.asset_check_keys
        },
        "jobs": {
            job.name: sorted(node.name for node in job.nodes)
            for job in found.resolve_all_job_defs()
        },
        "sensors": {
            one.name: [type(one).__name__, one.default_status.value] for one in found.sensors or ()
        },
        "schedules": {
            one.name: [str(one.cron_schedule), one.job_name, one.default_status.value]
            for one in found.schedules or ()
            if isinstance(one, dg.ScheduleDefinition)
        },
    }


def main() -> None:
    """Write the golden file."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        Project(Path(folder), instance).write_all()
        golden.write_text(snapshot(build_definitions(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
