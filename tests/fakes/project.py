"""A small project on disk for tests of the application and the command line: sums with known answers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipex_core.jsonvalue import Json

pipeline = """\
workflow:
  name: adder
  inputs:
    question:
      type: string
  steps:
    - name: answer
      type: echo
      value: "{{ replace(inputs.question, '1 + 1', '2') }}"
  outputs:
    answer: steps.answer
"""
asker = """\
workflow:
  name: asker
  inputs:
    question:
      type: string
  defaults:
    claude_model: claude-haiku-5-5
  steps:
    - name: answer
      type: claude
      prompt:
        - type: static
          content: "{{ inputs.question }}"
  outputs:
    answer: steps.answer
"""


def write_project(root: Path, *, cases: int = 4, gate: str = "") -> None:
    """A suite ``sums``, the pipelines ``adder`` (right once) and ``asker``, and answers of two targets.

    Case ``q<i>`` asks ``1 + <i>``. ``good.jsonl`` is right on all cases, ``poor.jsonl`` on the first.
    """
    suite = root / "test_suites" / "sums"
    suite.mkdir(parents=True)
    (suite / "suite.yaml").write_text(
        f"id: sums\ndefaults:\n  metrics: [exact_match]\n{gate}", "utf-8"
    )
    numbers = range(1, cases + 1)
    write_lines(
        suite / "cases.jsonl",
        [{"id": f"q{i}", "input": f"1 + {i}", "expected_output": str(1 + i)} for i in numbers],
    )
    (root / "pipelines").mkdir()
    (root / "pipelines" / "adder.yaml").write_text(pipeline, "utf-8")
    (root / "pipelines" / "asker.yaml").write_text(asker, "utf-8")
    write_lines(root / "good.jsonl", [{"case_id": f"q{i}", "output": str(1 + i)} for i in numbers])
    write_lines(root / "poor.jsonl", [{"case_id": f"q{i}", "output": "2"} for i in numbers])


def write_lines(path: Path, records: Sequence[Mapping[str, Json]]) -> None:
    """JSON lines."""
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
