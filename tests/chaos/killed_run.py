"""A process that executes a pipeline with all kinds of steps on real files and dies where it is told to.

Run as a script: ``killed_run.py FOLDER RUN_ID new|resume [POINT VISIT | after SECONDS]``. Every call to the
model is written to ``FOLDER/bills`` before it is answered, independently of pipex. When the run ends, its
result is written to ``FOLDER/result.json``.
"""

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root))

from pipex_core.adapters.local import ArmedFaults, Fault, SystemClock  # noqa: E402 - needs the path
from pipex_core.adapters.local_files import LocalJournals  # noqa: E402
from pipex_core.adapters.mock import MockProvider  # noqa: E402
from pipex_core.app.answering import ScriptState  # noqa: E402
from pipex_core.llm.client import LlmClient  # noqa: E402
from pipex_core.llm.mock_rules import rules_of  # noqa: E402
from pipex_core.llm.prices import PriceTable  # noqa: E402
from pipex_core.llm.provider import Request, Response  # noqa: E402
from tests.fakes.world import World, prices  # noqa: E402

pipeline = """
workflow:
  name: kinds
  variables: {n: 1}
  inputs: {topic: {default: tea}}
  defaults: {retry: {max_retries: 10}}
  steps:
    - {name: draft, type: claude, prompt: "draft {{topic}}", output_to_file: draft.txt}
    - {name: count, type: set_variable, variables: {n: "{{n + 1}}"}}
    - {name: review, type: claude, prompt: "review {{draft.text}} {{n}}"}
    - name: child
      type: pipeline
      inputs: {text: "{{review.text}}"}
      pipeline:
        name: inner
        inputs: {text: {type: string}}
        steps:
          - {name: one, type: claude, prompt: "one {{inputs.text}}"}
          - {name: two, type: claude, prompt: "two {{one.text}}"}
    - name: each
      type: for_loop
      iterator: part
      data_source: [a, b]
      steps:
        - {name: say, type: claude, prompt: "{{part}} {{n}}"}
        - {name: more, type: set_variable, variables: {n: "{{n + 1}}"}}
    - name: at_once
      type: for_loop
      parallel: true
      data_source: [c, d]
      steps: [{name: say, type: claude, prompt: "{{item}} {{n}}"}]
    - name: team
      type: parallel_claude
      parallel_tasks: [{id: e, prompt: "e {{n}}"}, {id: f, prompt: f, output_to_file: f.txt}]
    - {name: save, type: checkpoint, label: late}
    - {name: hello, type: claude_session, prompt: "hello {{n}}", session_config: {session_name: talk}}
    - name: route
      type: switch
      expression: "vars.n"
      cases:
        "3": [{name: three, type: claude, prompt: "three {{child.two}}"}]
      default: [{name: other, type: claude, prompt: "another number"}]
    - {name: again, type: claude_session, prompt: "again", session_config: {session_name: talk}}
    - name: look
      type: claude
      prompt: "look at the notes"
      claude_options: {allowed_tools: [Read]}
    - name: shape
      type: claude
      prompt: "a map, please"
      output_schema: {type: object, required: [x]}
      repair: 1
    - {name: words, type: data_transform, input_source: "split(child.two, ' ')",
       operations: [{operation: unique}]}
    - {name: final, type: claude, prompt: "final {{words}} {{n}}", output_to_file: final.txt}
  outputs: {said: "final.text"}
"""


read = {"name": "Read", "input": {"file_path": "notes.txt"}}
rules = {
    "responses": [
        {"when": {"step": "look"}, "tool_calls": [read], "reply": "seen", "cost": 0.001},
        # The answer that is wrong comes first, and only once however often the process dies.
        {"when": {"step": "shape"}, "replies": ["no map", {"json": {"x": 1}}], "cost": 0.001},
        {"echo": True, "cost": 0.001},
    ]
}


class BilledProvider(MockProvider):
    """The mock as a service that bills: every request costs, and is written down before the answer."""

    billable = True

    def __init__(self, bills: Path) -> None:
        super().__init__(rules_of(rules), clock=SystemClock())
        self._bills = bills

    async def complete(self, request: Request) -> Response:
        line = json.dumps([request.origin.path, len(request.messages), request.prompt]) + "\n"
        with self._bills.open("a", encoding="utf-8") as file:
            file.write(line)
        await asyncio.sleep(0)
        return await super().complete(request)


def world_in(folder: Path, faults: ArmedFaults) -> World:
    """Services on the files of ``folder`` and on the real clock."""
    provider = BilledProvider(folder / "bills")
    world = World(
        journals=LocalJournals(folder / "checkpoints", lock_wait_s=0, faults=faults),
        files={"notes.txt": "three"},
    )
    client = LlmClient(
        providers={"mock": provider},
        clock=SystemClock(),
        rng=random.Random(7),
        prices=PriceTable.from_text(prices),
    )
    return world.with_services(
        clock=SystemClock(),
        client=client,
        faults=faults,
        vendors={"anthropic": "mock"},
        provider_state=ScriptState([provider]),
    )


def main(folder: Path, run_id: str, how: str, *death: str) -> None:
    """Execute or resume the run, and die on the way if told so."""
    armed = {}
    if death and death[0] == "after":
        # The default action of this signal ends the process at once, wherever it is.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, float(death[1]))
    elif death:
        armed[death[0]] = Fault(visit=int(death[1]))
    world = world_in(folder, ArmedFaults(armed))
    result = world.run(pipeline, run_id=run_id, resume=how == "resume")
    partial = folder / "result.partial"
    partial.write_text(json.dumps(result.as_json()), encoding="utf-8")
    partial.replace(folder / "result.json")
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
