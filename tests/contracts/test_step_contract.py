"""What every built-in step type promises to the loader, the documentation and the executor."""

import inspect

import pytest

from pipex_core.app.wiring import shapes, step_types
from pipex_core.spec.fields import fields_of
from pipex_core.spec.model import StepSpec

names = sorted(step_types())


@pytest.mark.parametrize("name", names)
def test_a_type_is_called_what_its_shape_says(name: str) -> None:
    assert step_types().get(name).shape.type == name


@pytest.mark.parametrize("name", names)
def test_a_type_has_a_summary_in_one_sentence_and_a_description(name: str) -> None:
    step = step_types().get(name)
    assert step.shape.summary.endswith(".")
    assert "\n" not in step.shape.summary
    assert inspect.getdoc(step)


@pytest.mark.parametrize("name", names)
def test_a_step_is_made_without_arguments_and_runs_asynchronously(name: str) -> None:
    step = step_types().get(name)()
    assert inspect.iscoroutinefunction(step.run)


@pytest.mark.parametrize("name", names)
def test_an_alias_stands_for_a_field_that_exists(name: str) -> None:
    table = fields_of(shapes()[name])
    for field, shape in table.items():
        if shape.alias_of:
            assert shape.alias_of.partition(".")[0] in table, field


@pytest.mark.parametrize("name", names)
def test_the_rules_of_a_shape_stand_a_step_without_fields(name: str) -> None:
    shape = shapes()[name]
    step = StepSpec(name="s", type=name, path="workflow.steps[0]", fields={})
    for rule in (shape.effects, shape.check, shape.opens, shape.aliases):
        assert list(rule(step)) is not None


@pytest.mark.parametrize("name", names)
def test_a_model_step_has_a_family_and_others_have_none(name: str) -> None:
    shape = shapes()[name]
    assert shape.is_model == bool(shape.family)
