"""The edge of the command line: every end has an exit code, and ``--json`` is one object whatever happens."""

import io
import json
from contextlib import redirect_stderr
from pathlib import Path

import click
import pytest

from pipex_core.cli.main import (
    COMMANDS,
    counted,
    emit,
    exit_code_of,
    pipex,
    run_command,
    say_interrupted,
)
from pipex_core.errors import (
    AuthFailed,
    BudgetExceeded,
    Cancelled,
    ConfigError,
    ExpressionError,
    PipexError,
    Problem,
    RunLocked,
    SpecError,
    StoreError,
)
from tests.fakes.shell import invoke

problem = Problem(
    code="unknown_field", message="there is no field 'x' here", file="a.yaml", line=2, column=3
)


def command(error: BaseException | int | None) -> click.Command:
    """A command that ends in one way."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def ends(*, as_json: bool) -> int | None:
        del as_json
        if isinstance(error, BaseException):
            raise error
        return error

    return ends


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (0, 0),
        (3, 3),
        (SpecError([problem]), 2),
        (ConfigError("no", next_step="do"), 2),
        (StoreError("damaged", code="journal_damaged"), 2),
        (AuthFailed("no key"), 2),
        (ExpressionError("cut"), 2),
        (BudgetExceeded("spent"), 2),
        (RunLocked("another process"), 75),
        (StoreError("newer", code="fenced"), 75),
        (KeyboardInterrupt(), 130),
        (Cancelled("stopped"), 130),
        (click.Abort(), 130),
        (click.UsageError("what?"), 2),
        (click.BadParameter("what?"), 2),
        (click.exceptions.Exit(4), 4),
    ],
)
def test_every_end_has_its_exit_code(
    error: BaseException | int | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(command(error), []) == code
    assert "Traceback" not in capsys.readouterr().err
    if isinstance(error, PipexError) and not isinstance(error, Cancelled):
        assert exit_code_of(error) == code


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SpecError([problem]), {"code": "unknown_field", "next": None}),
        (
            ConfigError("no", next_step="do"),
            {"code": "invalid_option", "message": "no", "next": "do"},
        ),
        (RunLocked("another process"), {"code": "run_locked"}),
        (KeyboardInterrupt(), {"code": "cancelled", "message": "interrupted"}),
        (click.UsageError("what?"), {"code": "usage", "message": "what?"}),
    ],
)
def test_an_error_in_json_is_one_object(
    error: BaseException, expected: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(command(error), ["--json"])
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert said.out.count("\n") == 1
    assert said.err.strip() == ""  # click ends the line of a ^C
    assert document["schema"] == "pipex.error/1"
    assert set(document) == {"schema", "code", "message", "problems", "next"}
    assert {name: document[name] for name in expected} == expected


def test_problems_stay_whole_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(command(SpecError([problem])), ["--json"])
    (found,) = json.loads(capsys.readouterr().out)["problems"]
    assert found == {
        "code": "unknown_field", "message": "there is no field 'x' here", "file": "a.yaml",
        "line": 2, "column": 3, "path": "", "severity": "error", "suggestion": None,
    }  # fmt: skip


def test_a_problem_with_a_place_needs_no_further_words(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(command(SpecError([problem])), [])
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        "a.yaml:2:3: error: there is no field 'x' here [unknown_field]\n",
    )


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_bug_is_five_with_a_report_and_no_traceback(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(command(ZeroDivisionError("by zero")), words) == 5
    said = capsys.readouterr()
    if words:
        document = json.loads(said.out)
        assert document["code"] == "internal_error"
        following = document["next"]
    else:
        assert said.out == ""
        assert "a bug in pipex: ZeroDivisionError: by zero [internal_error]" in said.err
        following = said.err.splitlines()[1]
    report = Path(following.split()[-1])
    assert json.loads(report.read_text())["error"]["type"] == "ZeroDivisionError"
    report.unlink()


def test_a_reader_that_left_ends_the_command_in_peace() -> None:
    gone = io.StringIO()
    with redirect_stderr(gone):
        assert run_command(command(BrokenPipeError()), []) == 0
    assert gone.closed


def test_an_interruption_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert say_interrupted("interrupted", as_json=False, next_step="pipex eval resume x") == 130
    assert capsys.readouterr().err.splitlines() == [
        "error: interrupted [cancelled]",
        "next: pipex eval resume x",
    ]


def test_text_is_made_only_when_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def never() -> str:
        raise AssertionError

    emit({"a": 1}, as_json=True, text=never)
    assert capsys.readouterr().out == '{"a": 1}\n'
    with pytest.raises(ValueError, match="Out of range"):
        emit({"a": float("nan")}, as_json=True, text="")


@pytest.mark.parametrize(("count", "text"), [(0, "0 cases"), (1, "1 case"), (1319, "1,319 cases")])
def test_a_number_agrees_with_its_noun(count: int, text: str) -> None:
    assert counted(count, "case") == text


def test_the_version_is_that_of_the_package() -> None:
    assert invoke("--version").out == "pipex 0.1.0\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_in_the_table_what_it_says_itself(name: str) -> None:
    context = click.Context(pipex)
    found = pipex.get_command(context, name)
    assert isinstance(found, click.Command)
    assert found.name == name
    assert found.help
