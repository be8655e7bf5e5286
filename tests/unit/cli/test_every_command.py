"""What holds of every command: a help text, one JSON object with ``--json`` also for a slip, and exit code 2 then."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipex_core.cli.main import pipex
from tests.fakes.shell import invoke


def leaves(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        elif command is not None:
            yield (*path, name), command


commands = dict(leaves(pipex))
names = sorted(commands)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", names, ids=" ".join)
def test_a_command_has_a_help_text_with_a_sentence_and_says_what_its_options_mean(
    name: tuple[str, ...],
) -> None:
    done = invoke(*name, "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: pipex " + " ".join(name))
    assert commands[name].get_short_help_str()
    options = [one for one in commands[name].params if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help and not one.hidden] == []


@pytest.mark.parametrize("name", names, ids=" ".join)
def test_a_slip_is_one_json_object_and_exit_code_2(name: tuple[str, ...]) -> None:
    done = invoke(*name, "--no-such-option", "--json")
    assert done.code == 2
    found = json.loads(done.out)
    if name in {("run",), ("resume",)}:
        # Their object is always that of a run.
        assert (found["schema"], found["status"]) == ("pipex.run/1", "invalid")
        assert (found["error"]["code"], found["steps"]) == ("usage", {})
        return
    assert found["schema"] == "pipex.error/1"
    assert set(found) == {"schema", "code", "message", "problems", "next"}


@pytest.mark.parametrize("name", names, ids=" ".join)
def test_a_command_prints_json_when_it_is_asked_to(name: tuple[str, ...]) -> None:
    words = {word for one in commands[name].params for word in one.opts}
    assert "--json" in words or "--format" in words
