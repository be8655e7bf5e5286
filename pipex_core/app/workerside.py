"""The other end of a call of a metric in a worker process; see ``workers``."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path

from pipex_core.app.authored import function_at, metrics_of_file, python_prefix
from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import Usage
from pipex_core.metrics.custom import Judgement, score_of


def called(argument: Mapping[str, Json]) -> Json:
    """The score of a function, as JSON: what a worker is asked for."""
    function = _function(argument.get("path"), argument.get("file"), argument.get("name"))
    in_place = [_given(value) for value in argument["in_place"]]
    named = {name: _given(value) for name, value in argument["named"].items()}
    return asdict(score_of(function(*in_place, **named)))


@cache
def _function(path: str | None, file: str | None, name: str | None) -> Judgement:
    if path is not None:
        return function_at(f"{python_prefix}{path}")
    return metrics_of_file(Path(str(file)))[str(name)].function


def _given(value: Json) -> object:
    return Usage(**value["$usage"]) if isinstance(value, Mapping) and "$usage" in value else value
