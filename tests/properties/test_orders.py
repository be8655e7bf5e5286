"""Sequential and dag runs of the same steps agree, whatever the models' latencies and the width."""

import json
from typing import Any

from hypothesis import given, settings, strategies as st

from tests.fakes.world import World

reads = st.lists(st.integers(0, 7), max_size=3)
latencies = st.integers(0, 500)


@st.composite
def step(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A step that reads some of those before it, changes shared state, asks a model, is skipped or fails."""
    name = f"s{number}"
    earlier = [f"s{n}" for n in sorted(set(draw(reads))) if n < number]
    used = " ".join(f"{{{{ to_json(coalesce({n}.text, {n}.data)) }}}}" for n in earlier)
    kind = draw(st.sampled_from(["echo", "claude", "set", "read", "loop", "transform", "fan", "fails", "skipped"]))  # fmt: skip
    made: dict[str, Any] = {"name": name, "type": "echo", "value": f"{name} {used}"}
    match kind:
        case "claude":
            made = {"name": name, "type": "claude", "prompt": f"{name} {used}"}
        case "set":
            made = {"name": name, "type": "set_variable", "variables": {"v": "{{ v + 1 }}"}}
        case "read":
            made["value"] = f"{name} {{{{ v }}}} {used}"
        case "loop":
            body = {"name": f"{name}_in", "type": "claude", "prompt": f"{{{{ item }}}} {used}"}
            made = {"name": name, "type": "for_loop", "items": [1, 2], "steps": [body]}
        case "transform":
            made = {
                "name": name,
                "type": "data_transform",
                "input_source": [3, 1, 2],
                "operations": [{"operation": "sort"}, {"operation": "limit", "count": number}],
                "output_field": f"f{number}",
            }
        case "fan":
            tasks = [{"id": task, "prompt": f"{name} {task} {used}"} for task in ("a", "b")]
            made = {"name": name, "type": "parallel_claude", "parallel_tasks": tasks}
        case "fails":
            made |= {"fail": True, "error_message": f"{name} broke", "on_failure": "continue"}
        case "skipped":
            made["when"] = f"{earlier[0]}.success and v > 0" if earlier else "v > 2"
        case _:
            pass
    return made


workflows = st.integers(1, 8).flatmap(lambda n: st.tuples(*(step(number) for number in range(n))))


def run(steps: tuple[dict[str, Any], ...], order: str, width: int, waits: list[int]) -> Any:
    workflow = {
        "name": "orders",
        "execution": order,
        "max_concurrency": width,
        "variables": {"v": 0},
        "steps": list(steps),
    }
    rules = [
        {"when": {"contains": f"s{number}"}, "echo": True, "latency_ms": wait}
        for number, wait in enumerate(waits)
    ]
    world = World({"responses": rules, "default": {"echo": True}})
    return world.run(json.dumps({"workflow": workflow}))


def meaning(result: Any) -> Any:
    """Everything of a run but times and the order of starts."""
    document = result.as_json()
    del document["order"]
    for name in ("started_at", "finished_at", "duration_ms", "run_id"):
        del document[name]
    return without_times(document)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = {"duration_ms", "started_at", "finished_at", "latency_ms", "seq", "warnings"}
        return {key: without_times(item) for key, item in value.items() if key not in left_out}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=60)
@given(steps=workflows, width=st.integers(1, 4), waits=st.lists(latencies, min_size=8, max_size=8))
def test_sequential_and_dag_runs_agree(
    steps: tuple[dict[str, Any], ...], width: int, waits: list[int]
) -> None:
    sequential = meaning(run(steps, "sequential", 1, waits))
    assert meaning(run(steps, "dag", width, waits)) == sequential
