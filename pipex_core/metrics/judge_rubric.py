"""A rubric: items judged one by one, each passed or failed or on levels of its own, and their weighted mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipex_core.jsonvalue import Json, type_name
from pipex_core.metrics.contract import MetricInfo, MetricInput, OptionInfo, Scored
from pipex_core.metrics.judge import Judged, Opinion, judge_options
from pipex_core.metrics.judge_prompt import Template
from pipex_core.metrics.judge_reply import OneOf
from pipex_core.metrics.judge_single import judge_role, label_scores, text_of_input

pass_or_fail: Final[Mapping[str, float]] = {"pass": 1.0, "fail": 0.0}
_item_fields: Final = ("id", "text", "weight", "levels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a rubric.

    Attributes:
        text: What the answer must do.
        levels: Label to value in 0..1.
    """

    id: str
    text: str
    weight: float
    levels: Mapping[str, float]

    @property
    def template(self) -> Template:
        """The question of this line."""
        return Template(
            name=f"rubric.{self.id}",
            task=(
                f"{judge_role} Judge whether the answer meets this one requirement, and nothing else:"
                f"\n{self.text}"
            ),
            shape=OneOf(labels=dict.fromkeys(self.levels, "") | _meanings(self.levels)),
        )


class Rubric(Judged):
    """The weighted share of a rubric that the answer meets; a submetric for every item."""

    info = MetricInfo(
        name="rubric",
        summary="weighted share of a rubric that the answer meets",
        needs=frozenset({"output", "judge"}),
        default_threshold=0.7,
        cost_class="judge",
        options={
            **judge_options,
            "items": OptionInfo(
                kind="any",
                required=True,
                description="list of `{id, text, weight, levels}` or texts",
            ),
            "choice_strings": OptionInfo(
                kind="list", default=(), description="labels of items without levels, in order"
            ),
            "choice_scores": OptionInfo(
                kind="map", description="label to value, of items without levels"
            ),
        },
    )

    def __init__(
        self,
        *,
        items: Json,
        choice_strings: Sequence[str] = (),
        choice_scores: Json = None,
        **rest: Json,
    ) -> None:
        super().__init__(**rest)
        levels = _shared_levels(choice_strings, choice_scores)
        if not isinstance(items, list | tuple) or not items:
            raise ValueError("items is a list of at least one `{id, text, weight, levels}`")
        self._items = [_item(raw, number, levels) for number, raw in enumerate(items, 1)]
        names = [item.id for item in self._items]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"two items have the id {twice[0]!r}")
        self.templates = tuple(item.template for item in self._items)

    def opinion(self, item: MetricInput) -> Opinion:
        """One question per item; what the case asks is shown beside the answer where there is something."""
        values: dict[str, float] = {}
        labels: dict[str, Json] = {}
        asked = {} if item.input is None else {"question": text_of_input(item)}
        for line in self._items:
            said = yield self.ask(line.template, **asked, answer=item.output or "")
            labels[line.id] = said.label
            values[line.id] = line.levels[said.label or ""]
        weights = {line.id: line.weight for line in self._items}
        total = sum(weights[name] * value for name, value in values.items())
        return Scored(
            value=total / sum(weights.values()), details={"items": labels}, submetrics=values
        )


def _shared_levels(strings: Sequence[str], scores: Json) -> Mapping[str, float]:
    found = label_scores(scores or {}, known=dict.fromkeys(strings) if strings else None)  # type: ignore[arg-type]  # only the keys are read
    if not found and not strings:
        return pass_or_fail
    missing = [label for label in strings if label not in found]
    if missing and found:
        raise ValueError(f"choice_scores says nothing of {missing[0]!r}")
    return found or _evenly(strings)


def _item(raw: Json, number: int, shared: Mapping[str, float]) -> Item:
    where = f"items[{number - 1}]"
    if isinstance(raw, str):
        raw = {"text": raw}
    if not isinstance(raw, Mapping):
        message = f"{where} is a map or a text, not {type_name(raw)}"
        raise ValueError(message)  # noqa: TRY004 - a wrong option is a ValueError, whatever is wrong
    strange = sorted(set(raw) - set(_item_fields))
    if strange:
        raise ValueError(f"{where} has no field {strange[0]!r}; it has {', '.join(_item_fields)}")
    text, weight = raw.get("text"), raw.get("weight", 1)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where}.text says what the answer must do")
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not weight > 0:
        raise ValueError(f"{where}.weight is a number above 0, got {weight!r}")
    levels = raw.get("levels")
    return Item(
        id=str(raw.get("id", f"item_{number}")),
        text=text.strip(),
        weight=float(weight),
        levels=shared if levels is None else _levels(levels, where),
    )


def _levels(raw: Json, where: str) -> Mapping[str, float]:
    """A map of label to value, or a list of labels from worst to best, evenly spaced."""
    if isinstance(raw, Mapping) and len(raw) > 1:
        return label_scores(raw, known=None)
    is_list = isinstance(raw, list | tuple) and all(isinstance(one, str) for one in raw)
    if is_list and len(set(raw)) == len(raw) > 1:
        return _evenly(raw)
    raise ValueError(
        f"{where}.levels are two or more labels, worst first, or a map of label to value"
    )


def _evenly(labels: Sequence[str]) -> dict[str, float]:
    if len(labels) < 2:  # noqa: PLR2004 - one label says nothing
        raise ValueError("there are at least two labels")
    return {label: place / (len(labels) - 1) for place, label in enumerate(labels)}


def _meanings(levels: Mapping[str, float]) -> dict[str, str]:
    if levels is pass_or_fail:
        return {"pass": "the requirement is met", "fail": "it is not met, or only in part"}
    worst, best = min(levels, key=levels.__getitem__), max(levels, key=levels.__getitem__)
    return {worst: "worst", best: "best"}
