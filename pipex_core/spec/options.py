"""Options of a step: which layer wins, and where each effective value came from (section 13).

All layers speak one vocabulary, that of a model request: a step's ``token_budget.max_output_tokens``
and ``defaults.claude_options.max_tokens`` both end as ``max_tokens``. Maps merge key by key, lists and
scalars replace one another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pipex_core.expressions.paths import join_path
from pipex_core.jsonvalue import Json
from pipex_core.spec import option_fields
from pipex_core.spec.model import FieldShape, PipelineSpec, StepShape, StepSpec

Layer = Literal[
    "built_in",
    "preset",
    "environment",
    "defaults",
    "workflow",
    "step_options",
    "step",
    "run_option",
]
layers: Final[tuple[Layer, ...]] = get_args(Layer)  # weak to strong

of_every_step: Final = (
    *("timeout_seconds", "retry", "on_failure", "templates", "repair", "cache", "streaming"),
)
_of_model_steps: Final = ("model", "timeout_ms")
_built_in: Final[Mapping[str, Json]] = {
    "on_failure": "fail",
    "templates": "strict",
    "repair": 0,
    "cache": False,
    "streaming": False,
    "retry": {
        "max_retries": 0,
        "backoff_strategy": "exponential",
        "base_delay_ms": 1000,
        "max_delay_ms": 30_000,
        "jitter": True,
    },
}
_built_in_retries: Final = 3  # of model steps

_request_names: Final = {"max_output_tokens": "max_tokens"}
_of_requests: Final = frozenset(
    {
        *("model", "timeout_ms", "preset", "seed", "stop", "max_input_tokens"),
        *(name for name in option_fields.claude_options.fields or () if name != "retry_config"),
    }
)
_containers: Final = {"claude": "claude_options", "gemini": "token_budget"}
_default_containers: Final = {"claude": "claude_options", "gemini": "gemini_token_budget"}


def _preset(
    turns: int, tools: str, model: str, retries: int, backoff: str, timeout_s: int
) -> Mapping[str, Json]:
    return {
        "max_turns": turns,
        "allowed_tools": tools.split(),
        "model": model,
        "output_format": "text",
        "retry": {"max_retries": retries, "backoff_strategy": backoff},
        "timeout_ms": timeout_s * 1000,
    }


presets: Final[Mapping[str, Mapping[str, Json]]] = {
    "development": _preset(
        20, "Write Edit Read Bash Search Glob Grep", "sonnet", 3, "exponential", 300
    ),
    "production": {
        **_preset(10, "Read", "opus", 2, "linear", 120),
        "fallback_model": "sonnet",
    },
    "analysis": _preset(5, "Read Glob Grep", "opus", 2, "exponential", 180),
    "chat": _preset(15, "", "sonnet", 1, "linear", 60),
    "test": _preset(3, "Read", "haiku", 1, "fixed", 30),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The options that a step runs with.

    Attributes:
        values: Option name to value; templates in them are not expanded yet.
        layers: What each layer says.
    """

    values: Mapping[str, Json]
    layers: Mapping[Layer, Mapping[str, Json]]

    @property
    def origins(self) -> Mapping[str, Layer]:
        """Option name, or ``retry.max_retries`` for an entry of a map, to the layer it came from."""
        values: dict[str, Json] = {}
        origins: dict[str, Layer] = {}
        for layer in layers:
            for name, value in self.layers[layer].items():
                merges = isinstance(value, Mapping) and isinstance(values.get(name), Mapping)
                if not merges:
                    origins = {key: at for key, at in origins.items() if not _within(key, name)}
                values[name] = value
                origins.update((key, layer) for key in _leaves(name, value))
        return origins


def resolve_model(name: Json) -> Json:
    """The model id that an alias such as ``sonnet`` stands for; anything else stays as it is."""
    return option_fields.models.get(name, name) if isinstance(name, str) else name


def effective(
    step: StepSpec,
    spec: PipelineSpec,
    shape: StepShape,
    *,
    run_options: Mapping[str, Json] | None = None,
    environment: Mapping[str, Json] | None = None,
) -> Effective:
    """What every option of a step is, and which layer said so.

    Args:
        step: A step of ``spec``, nested or not.
        spec: The pipeline that holds it.
        shape: Of the step's type.
        run_options: Names of ``workflow.defaults`` or of single options; the model among them leaves a
            step with ``pin_model`` alone.
        environment: The same names; ``max_retries`` counts for model steps only, and
            ``claude_timeout_s`` and ``gemini_timeout_s`` are seconds of one call.
    """
    given = dict(run_options or {})
    if step.get("pin_model") is True:
        given = {key: value for key, value in given.items() if not key.endswith("model")}
    by_layer: dict[Layer, Mapping[str, Json]] = {
        "built_in": _built_in_of(shape),
        "environment": _translated(environment or {}, shape),
        "defaults": _translated(spec.get("defaults", {}), shape),
        "workflow": {"templates": spec.fields["templates"]} if "templates" in spec.fields else {},
        "step_options": _step_options(step, shape),
        "step": _step_fields(step, shape),
        "run_option": _translated(given, shape),
    }
    name = _preset_name(step, spec, shape, by_layer)
    by_layer["preset"] = presets.get(name, {}) if shape.family == "claude" else {}
    return _merged(by_layer)


def _built_in_of(shape: StepShape) -> Mapping[str, Json]:
    values = dict(_built_in)
    if shape.is_model:
        values["retry"] = {**_built_in["retry"], "max_retries": _built_in_retries}
    if shape.family == "claude":
        values |= _defaults_of(option_fields.claude_options)
    elif shape.family == "gemini":
        values["timeout_ms"] = _defaults_of(option_fields.claude_options)["timeout_ms"]
    return values | {
        name: shape.fields[name].default
        for name in values
        if name in shape.fields and shape.fields[name].default is not None
    }


def _defaults_of(shape: FieldShape) -> dict[str, Json]:
    return {
        name: inner.default
        for name, inner in (shape.fields or {}).items()
        if inner.default is not None
    }


def _translated(given: Mapping[str, Json], shape: StepShape) -> Mapping[str, Json]:
    """A layer written in the names of ``workflow.defaults``, for steps of one family."""
    family = shape.family
    values: dict[str, Json] = {}
    if family:
        values |= _request_options(given.get(_default_containers[family], {}))
    for key, value in given.items():
        name = key.removeprefix(f"{family}_") if family else key
        if name == "max_retries" and shape.is_model:
            values["retry"] = {**values.get("retry", {}), "max_retries": value}
        elif name == "timeout_s" and family:
            values["timeout_ms"] = round(value * 1000)
        elif name in of_every_step or (family and name in _of_requests):
            values[name] = value
    if shape.is_eval:
        # An evaluation asks the workflow's default model where nothing else is named.
        named = [given[key] for key in ("model", "claude_model", "gemini_model") if given.get(key)]
        values |= {"model": named[0]} if named else {}
    return values


def _request_options(given: Json) -> dict[str, Json]:
    if not isinstance(given, dict):
        return {}
    named = ((str(_request_names.get(key, key)), value) for key, value in given.items())
    return {key: value for key, value in named if key != "retry_config"}


def _step_options(step: StepSpec, shape: StepShape) -> Mapping[str, Json]:
    given = step.get(_containers[shape.family], {}) if shape.family else {}
    values = _request_options(given)
    if isinstance(given, Mapping) and "retry_config" in given and "retry" not in step.fields:
        values["retry"] = given["retry_config"]
    return values


def _step_fields(step: StepSpec, shape: StepShape) -> Mapping[str, Json]:
    names = (*of_every_step, *_of_model_steps, "preset") if shape.family else of_every_step
    return {name: step.fields[name] for name in names if name in step.fields}


def _preset_name(
    step: StepSpec,
    spec: PipelineSpec,
    shape: StepShape,
    by_layer: Mapping[Layer, Mapping[str, Json]],
) -> str:
    """The preset by layers; then the environment's mode where the step asks for it; then the type's."""
    for layer in ("run_option", "step", "defaults", "environment"):
        name = by_layer[layer].get("preset")
        if name is not None:
            return str(name)
    if step.get("environment_aware") is True:
        return str(spec.get("environment", {}).get("mode", shape.preset))
    return shape.preset


def _merged(by_layer: Mapping[Layer, Mapping[str, Json]]) -> Effective:
    values: dict[str, Json] = {}
    for layer in layers:
        for name, value in by_layer[layer].items():
            if isinstance(value, Mapping):
                before = values.get(name)
                values[name] = {**before, **value} if isinstance(before, Mapping) else dict(value)
            else:
                values[name] = value
    for name in ("model", "fallback_model"):
        if name in values:
            values[name] = resolve_model(values[name])
    return Effective(values=values, layers=by_layer)


def _within(key: str, name: str) -> bool:
    return key == name or key.startswith(f"{name}.")


def _leaves(name: str, value: Json) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield from (join_path(name, key) for key in value)
    else:
        yield name
