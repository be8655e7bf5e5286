"""The guard-rail before commands."""

import pytest

from pipex_core.llm.bash_rules import refusal


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "rm -fr /",
        "rm -r -f /etc",
        "rm --recursive --force /",
        "cd x && rm  -rf   /*",
        "rm -rf \\\n /",
        "rm -rf ~",
        'rm -rf "$HOME"',
        "rm -rf ${HOME}/x",
        "sudo ls",
        "ls; sudo -u root ls",
        "chmod 777 x",
        "chmod -R 0777 .",
    ],
)
def test_accidents_are_refused_with_the_pattern(command: str) -> None:
    reason = refusal(command)
    assert reason is not None
    assert "denied pattern" in reason


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf build",
        "rm file",
        "echo pseudo",
        "chmod 755 x",
        "grep -r / x",
        "ls sudoku",
        "rm -f a/b",
    ],
)
def test_ordinary_work_is_not(command: str) -> None:
    assert refusal(command) is None


def test_patterns_of_the_workflow_are_added() -> None:
    assert refusal("curl x", [r"\bcurl\b"]) is not None
    assert refusal("ls", [r"\bcurl\b"]) is None
    assert refusal("echo (x", ["(x"]) is not None  # no pattern: as it stands
    assert refusal("echo x", ["(x"]) is None


def test_a_pattern_that_cannot_be_searched_in_time_refuses() -> None:
    assert refusal("a" * 40 + "!", ["(a|aa)+(a|aa)+(a|aa)+(a|aa)+(a|aa)+(a|aa)+$"]) is not None


def test_a_pattern_that_is_too_long_is_taken_as_it_stands() -> None:
    assert refusal("ls", ["x" * 2_000]) is None
