"""Files that cannot be used: each is one definition that says why, whatever went wrong, and the others work on."""

import dagster as dg
import pytest

from pipex_core.errors import ConfigError, PipexError
from pipex_dagster.broken import broken_asset, read_or_error
from pipex_dagster.building import build_definitions
from pipex_dagster.translator import PipexTranslator, SuiteAsset
from tests.dagster.conftest import Project, failure, models, quiet


class Unfinished(PipexTranslator):
    """A subclass of somebody who forgot a case."""

    def get_asset_spec(self, asset: SuiteAsset) -> dg.AssetSpec:
        owners = {"products": "team:shop"}
        return super().get_asset_spec(asset).replace_attributes(owners=[owners[asset.suite_id]])


def test_a_crash_while_a_suite_is_read_is_shown_and_the_pipelines_stay(project: Project) -> None:
    found = build_definitions(str(project.root), translator=Unfinished())
    (spec,) = found.resolve_all_asset_specs()
    assert spec.key.to_user_string() == "pipex_problems/sums"
    assert spec.description is not None
    assert "reading it crashed with KeyError at test_broken.py:" in spec.description
    assert "report it with this text" in spec.description
    result = found.resolve_implicit_global_asset_job_def().execute_in_process(
        raise_on_error=False, run_config=quiet
    )
    assert failure(result).startswith("internal_error: reading it crashed with KeyError")
    assert found.resolve_job_def("plg__adder").name == "plg__adder"


def test_what_can_be_read_is_given_as_it_is() -> None:
    assert read_or_error(lambda: 7) == 7


def test_a_known_error_keeps_its_code() -> None:
    def refuse() -> int:
        raise ConfigError("no", code="duplicate_id", next_step="rename it")

    found = read_or_error(refuse)
    assert isinstance(found, PipexError)
    assert found.code == "duplicate_id"
    (spec,) = broken_asset("x", found).specs
    assert spec.description == "This file cannot be used:\n\n- `no`\n\nWhat to do: rename it."


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_whoever_stops_the_process_is_let_through(stop: type[BaseException]) -> None:
    def ended() -> int:
        raise stop

    with pytest.raises(stop):
        read_or_error(ended)


def test_a_target_whose_name_is_no_partition_breaks_its_suite_alone(project: Project) -> None:
    long = {**models["models"][0], "name": "x" * 121}
    project.write("test_suites/models.yaml", {"models": [long]})
    found = project.definitions()
    (spec,) = found.resolve_all_asset_specs()
    assert spec.description is not None
    assert "makes a partition key of 121 characters" in spec.description
    assert found.resolve_job_def("plg__adder").name == "plg__adder"
