"""Groups of models: which one a call to a group goes to first, and which ones stand in for it.

A step names a group where it would name a model. The strategy of the group puts its models in order; the
first one is asked, and each following one once the one before it was given up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never, get_args

from pipex_core.errors import ConfigError, ProviderError
from pipex_core.jsonvalue import Json, type_name
from pipex_core.llm.limits import account_kinds
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Request
from pipex_core.registry import nearest

Strategy = Literal["in_order", "cheapest", "fastest", "most_capable", "round_robin"]
strategies: Sequence[Strategy] = get_args(Strategy)
given_up_after = frozenset({"overloaded", "server_error", "circuit_open", "not_found"})
given_up_in_a_list_after = given_up_after | {"connection", "timeout"}
newest_weight = 0.3  # of an answer in the measured speed of its model
used_up = "attempts_used_up"  # before a restart; what they failed with is in the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A model of a group, and the provider that has it."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGroup:
    """Models that may stand in for one another.

    Attributes:
        routes: In the order in which they are tried where the strategy has none of its own.
        strategy: ``in_order``; ``cheapest`` by the most that the call can cost; ``most_capable``, the dearest
            by that measure, as vendors price what a model can do; ``fastest`` by the answers of this
            process, a model without any first; ``round_robin``, each call begins with the next one.
    """

    name: str
    routes: Sequence[Route]
    strategy: Strategy = "in_order"


def gives_up(error: ProviderError, *, in_a_list: bool) -> bool:
    """Whether another model may be asked after this failure: it says nothing about the question.

    Args:
        error: The last failure of a model.
        in_a_list: The next one is of a group; a single ``fallback_model`` stands in for fewer failures.
    """
    if error.code == "circuit_open" and error.detail in account_kinds:
        return False  # the credential was refused, and nobody may spend more on it unasked
    kinds = given_up_in_a_list_after if in_a_list else given_up_after
    return error.code in kinds or error.detail == used_up


def rerouted(request: Request, *, provider: str, model: str) -> Request:
    """The request for another model; what one vendor wrote for itself alone is not sent to another."""
    messages = request.messages
    if provider != request.provider:
        messages = [replace(message, parts=()) for message in messages]
    return replace(request, provider=provider, model=model, messages=messages)


class Router:
    """Puts the models of groups in order. One per process: it counts turns and measures answers.

    Args:
        groups: By name.
        prices: What calls can cost.
        serves: Who answers for a vendor here, such as a mock.
    """

    def __init__(
        self,
        groups: Mapping[str, ModelGroup],
        *,
        prices: PriceTable,
        serves: Mapping[str, str] | None = None,
    ) -> None:
        self._groups = groups
        self._prices = prices
        self._serves = serves or {}
        self._turns: dict[str, int] = dict.fromkeys(groups, 0)
        self._speed: dict[tuple[str, str], float] = {}

    def is_group(self, model: str) -> bool:
        """Whether a name stands for several models."""
        return model in self._groups

    def routed(self, request: Request) -> list[Request]:
        """The request to each model of its group, the one to ask first in front; itself without a group."""
        group = self._groups.get(request.model)
        if group is None:
            return [request]
        return [
            rerouted(
                request, provider=self._serves.get(one.provider, one.provider), model=one.model
            )
            for one in self._ordered(group, request)
        ]

    def answered(self, request: Request, *, latency_ms: float, output: int) -> None:
        """Note how long a model took for its tokens; later answers weigh more."""
        key = (request.provider, request.model)
        took = latency_ms / max(output, 1)
        before = self._speed.get(key, took)
        self._speed[key] = before + (took - before) * newest_weight

    def _ordered(self, group: ModelGroup, request: Request) -> Sequence[Route]:
        match group.strategy:
            case "in_order":
                return group.routes
            case "cheapest":
                return sorted(group.routes, key=self._cost_of(request))
            case "most_capable":
                return sorted(group.routes, key=self._cost_of(request), reverse=True)
            case "fastest":
                return sorted(group.routes, key=self._slowness)
            case "round_robin":
                turn = self._turns[group.name] % len(group.routes)
                self._turns[group.name] += 1
                return [*group.routes[turn:], *group.routes[:turn]]
            case other:
                assert_never(other)

    def _cost_of(self, request: Request) -> Callable[[Route], int]:
        def cost(route: Route) -> int:
            return self._prices.bound(replace(request, model=route.model)).nanousd

        return cost

    def _slowness(self, route: Route) -> float:
        provider = self._serves.get(route.provider, route.provider)
        return self._speed.get((provider, route.model), 0.0)


def groups_of(document: Json, prices: PriceTable) -> dict[str, ModelGroup]:
    """The groups of a file that was parsed already: ``{groups: {name: {strategy, models}}}``.

    A model is an id that the price table knows, or ``{provider, model}``; a list in place of a map is
    its models in order.

    Raises:
        ConfigError: ``invalid_model_groups``; the message lists everything that is wrong.
    """
    reader = _Reader(prices)
    groups = reader.groups(document)
    if reader.problems:
        lines = "\n".join(f"  {line}" for line in reader.problems)
        raise ConfigError(f"the model groups cannot be used:\n{lines}", code="invalid_model_groups")
    return groups


class _Reader:
    """Reads the parts of the file and collects what is wrong with them."""

    def __init__(self, prices: PriceTable) -> None:
        self._prices = prices
        self.problems: list[str] = []

    def groups(self, document: Json) -> dict[str, ModelGroup]:
        found = document.get("groups") if isinstance(document, Mapping) else None
        if not isinstance(found, Mapping) or set(document) != {"groups"}:
            self.problems.append("the file: expected a map with groups and nothing else")
            return {}
        return {str(name): self._group(str(name), value) for name, value in found.items()}

    def _group(self, name: str, value: Json) -> ModelGroup:
        where = f"groups.{name}"
        if self._prices.find(name) is not None:
            self.problems.append(f"{where}: a model has this name; a group needs one of its own")
        item = {"models": value} if isinstance(value, list) else value
        if not isinstance(item, Mapping):
            self.problems.append(f"{where}: must be a map or a list, not {type_name(value)}")
            return ModelGroup(name=name, routes=())
        self._known(item, ("strategy", "models"), where)
        word = str(item.get("strategy", "in_order"))
        strategy = next((one for one in strategies if one == word), None)
        if strategy is None:
            self.problems.append(
                f"{where}.strategy: must be one of {', '.join(strategies)}, not {word!r}"
            )
        models = item.get("models")
        if not isinstance(models, list) or not models:
            self.problems.append(f"{where}.models: must be a list with at least one model")
            models = []
        routes = [self._route(model, f"{where}.models[{i}]") for i, model in enumerate(models)]
        return ModelGroup(name=name, routes=routes, strategy=strategy or "in_order")

    def _route(self, value: Json, where: str) -> Route:
        if isinstance(value, str):
            price = self._prices.find(value)
            if price is None:
                self.problems.append(
                    f"{where}: whose model {value!r} is, no price says; write"
                    f" {{provider: anthropic, model: {value}}}"
                )
            return Route(provider=price.provider if price else "", model=value)
        if not isinstance(value, Mapping):
            self.problems.append(f"{where}: must be a model's id or a map, not {type_name(value)}")
            return Route(provider="", model="")
        self._known(value, ("provider", "model"), where)
        provider, model = value.get("provider"), value.get("model")
        for field, text in (("provider", provider), ("model", model)):
            if not isinstance(text, str) or not text:
                self.problems.append(f"{where}.{field}: must be text")
        return Route(provider=str(provider), model=str(model))

    def _known(self, item: Mapping[str, Json], fields: Sequence[str], where: str) -> None:
        for key in item:
            if key not in fields:
                self.problems.append(f"{where}.{key}: unknown field{_hint(str(key), fields)}")


def _hint(word: str, known: Sequence[str]) -> str:
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""
