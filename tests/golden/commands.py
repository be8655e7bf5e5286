"""What a person types in the golden tests: broken commands with what they must say, and every help."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from pipex_core.cli.main import pipex
from tests.fakes.shell import Done, invoke

here = Path(__file__).parent
good, answers = "test_suites/good", "answers.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line that goes wrong.

    Attributes:
        code: Exit code.
        error: The code in the JSON form.
        prints: Whether standard output has something to say all the same, such as a failed run.
    """

    words: Sequence[str]
    error: str
    code: int = 2
    environment: Mapping[str, str] = field(default_factory=dict)
    prints: bool = False


def command(line: str, error: str, **more: str) -> Command:
    """A command without blanks inside its words; ``more`` is the environment."""
    return Command(words=line.split(), error=error, environment=more)


ERRORS: Mapping[str, Command] = {
    "unknown_field": command("run --strict pipelines/unknown_field.yaml", "unknown_field"),
    "broken_yaml": command("run pipelines/broken.yaml", "yaml_syntax"),
    "missing_pipeline": command("run pipelines/aks.yaml", "file_unreadable"),
    "missing_nested_pipeline": command("run pipelines/missing_child.yaml", "file_not_found"),
    "unknown_step": command("run pipelines/unknown_step.yaml", "unknown_step"),
    "unknown_step_type": command("run pipelines/unknown_type.yaml", "unknown_step_type"),
    "missing_input": command("run pipelines/ask.yaml", "missing_input"),
    "unknown_input": command("run pipelines/ask.yaml question=Hi qestion=Hi", "unknown_input"),
    "input_of_wrong_type": command("run pipelines/child.yaml count=many", "invalid_input"),
    "input_without_value": command("run pipelines/ask.yaml Hi", "invalid_input"),
    "broken_inputs_file": command("run pipelines/ask.yaml --inputs inputs.json", "invalid_input"),
    "missing_key": command("run pipelines/ask.yaml question=Hi --provider live", "auth"),
    "missing_key_of_an_evaluation": command(
        f"eval run {good} pipelines/ask.yaml --provider live", "auth"
    ),
    "invalid_setting": command(
        "run pipelines/ask.yaml question=Hi", "invalid_option", PIPELINE_MAX_RETRIES="many"
    ),
    "invalid_address": command(
        f"eval run {good} {answers}", "invalid_option", GEMINI_BASE_URL="http://example.com/secret"
    ),
    "replay_without_cassette": command(
        "run pipelines/ask.yaml question=Hi --provider replay", "invalid_option"
    ),
    "missing_cassette": command(
        "run pipelines/ask.yaml question=Hi --provider replay --cassette casette.jsonl",
        "file_not_found",
    ),
    "damaged_cassette": command(
        "run pipelines/ask.yaml question=Hi --provider replay --cassette damaged_cassette.jsonl",
        "invalid_cassette",
    ),
    "cassette_miss": Command(
        words=[
            "run",
            "pipelines/ask.yaml",
            "question=Hi",
            "--provider",
            "replay",
            "--cassette",
            "empty_cassette.jsonl",
        ],
        error="replay_miss",
        code=1,
        prints=True,
    ),
    "invalid_mock_rules": command(
        "run pipelines/ask.yaml question=Hi --mock-responses rules.yaml", "invalid_mock_responses"
    ),
    "checkpoints_not_writable": command(
        "run pipelines/ask.yaml question=Hi --checkpoint-dir a_file", "folder_not_writable"
    ),
    "unknown_run": command("resume 0000000000", "unknown_run"),
    "missing_suite": command(f"eval run test_suites/godo {answers}", "unknown_suite"),
    "no_suite": command("eval run", "invalid_option"),
    "no_target": command(f"eval run {good}", "invalid_option"),
    "unknown_target": command(f"eval run {good} answers", "unknown_target"),
    "missing_target": command(f"eval run {good} pipelines/aks.yaml", "file_not_found"),
    "missing_answers": command(f"eval run {good} --recorded anwsers.jsonl", "file_not_found"),
    "cut_answers": command(f"eval run {good} --recorded cut.jsonl", "bad_json"),
    "duplicate_case": command(f"eval run test_suites/duplicates {answers}", "duplicate_id"),
    "unknown_metric": command(f"eval run test_suites/metrics {answers}", "unknown_metric"),
    "unknown_metric_option": command(
        f"eval run {good} {answers} --metrics metrics.yaml", "bad_option"
    ),
    "unknown_metric_name": command(f"eval run {good} {answers} -m exact_macth", "unknown_metric"),
    "unknown_filter": command(f"eval run {good} {answers} --filter topic=sums", "unknown_field"),
    "filter_without_value": command(f"eval run {good} {answers} --filter topic", "invalid_option"),
    "bad_gate": command(f"eval run {good} {answers} --gate gate.yaml", "unknown_field"),
    "bad_gate_of_a_suite": command(f"eval run test_suites/gated {answers}", "unknown_value"),
    "gate_of_another_metric": command(
        f"eval run {good} {answers} --gate other_gate.yaml", "unknown_metric"
    ),
    "missing_gate": command(f"eval run {good} {answers} --gate gat.yaml", "file_unreadable"),
    "missing_baseline": command(
        f"eval run {good} {answers} --baseline yesterday", "baseline_missing"
    ),
    "results_not_writable": command(
        f"eval run {good} {answers} --results a_file", "folder_not_writable"
    ),
    "unknown_evaluation": command("eval resume ev_20260101T000000_00000000", "unknown_run"),
    "no_results": command("eval show latest", "no_results"),
    "unknown_mapping": command("suite import answers.jsonl --map inptu=output", "unknown_field"),
    "broken_mapping": Command(
        words=["suite", "import", "answers.jsonl", "--map", "input=output +"],
        error="expression_syntax",
    ),
    "unknown_preset": command("suite import answers.jsonl --preset gsm9k", "unknown_preset"),
    "missing_import": command("suite import anwsers.jsonl", "file_unreadable"),
    "unknown_metric_to_show": command("metric show exact_macth", "unknown_metric"),
    "unknown_command": command("evl run", "usage"),
    "unknown_option": command("run pipelines/ask.yaml --porvider mock", "usage"),
    "missing_argument": command("run", "usage"),
}


def typed(case: Command, *more: str) -> Done:
    """What the command says in the present folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"COLUMNS": "100", **case.environment}.items():
            patch.setenv(name, value)
        return invoke(*case.words, *more)


def transcript(case: Command, done: Done) -> str:
    """The text of a golden file: what was typed, both streams, the exit code."""
    variables = "".join(f"{name}={value} " for name, value in case.environment.items())
    words = " ".join(f"'{word}'" if " " in word else word for word in case.words)
    said = steady(done.out + done.err)
    return f"$ {variables}pipex {words}\n{said}exit code {done.code}\n"


def steady(text: str) -> str:
    """The text without what differs from run to run: ids and durations."""
    text = re.sub(r"\b(run|resume) [0-9a-z]{20}\b", r"\1 RUN_ID", text)
    return re.sub(r"\b\d+\.\d\d s\b", "SECONDS s", text)


def commands(group: click.Group = pipex, name: str = "pipex") -> Iterator[str]:
    """Every command and group, as it is typed."""
    yield name
    context = click.Context(group)
    for child in group.list_commands(context):
        found = group.get_command(context, child)
        if isinstance(found, click.Group):
            yield from commands(found, f"{name} {child}")
        else:
            yield f"{name} {child}"


def help_of(name: str) -> str:
    """The help of a command, 100 columns wide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        done = invoke(*name.split()[1:], "--help")
    assert (done.code, done.err) == (0, "")
    return done.out
