"""What every workspace promises: text in, text out, and nothing outside of its roots."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.adapters.workspace import (
    ConfinedWorkspace,
    kernel_has_openat2,
    open_by_kernel,
    open_by_walking,
)
from pipex_core.engine.guarded import GuardedWorkspace, Images
from pipex_core.errors import StepError
from pipex_core.ports import Workspace
from tests.fakes.workspace import MemoryWorkspace

openers = {"kernel": open_by_kernel, "walking": open_by_walking}


class Place:
    """Folders of one test: a secret outside of all roots, a workspace, the pipeline's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "a" / "work"
        self.out = root / "a" / "out"
        self.beside = root / "project" / "pipelines"
        for folder in (self.work / "sub", self.beside):
            folder.mkdir(parents=True)
        (root / "secret.txt").write_text("secret", encoding="utf-8")
        (self.work / "in.txt").write_text("héllo", encoding="utf-8")
        (self.work / "sub" / "deep.txt").write_text("deep", encoding="utf-8")
        (self.beside / "beside.txt").write_text("beside", encoding="utf-8")

    def open(self, opener: str, *allowed: Path) -> ConfinedWorkspace:
        return ConfinedWorkspace(
            workspace=self.work,
            output_dir=self.out,
            beside=self.beside,
            allowed=allowed,
            open_beneath=openers[opener],
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(params=sorted(openers))
def opener(request: pytest.FixtureRequest) -> str:
    if request.param == "kernel" and not kernel_has_openat2():
        pytest.skip("this kernel has no openat2")
    return str(request.param)


@pytest.fixture(params=["kernel", "walking", "memory", "guarded"])
def workspace(request: pytest.FixtureRequest, place: Place) -> Workspace:
    makers: dict[str, Callable[[], Workspace]] = {
        "kernel": lambda: place.open("kernel"),
        "walking": lambda: place.open("walking"),
        "guarded": lambda: GuardedWorkspace(
            place.open("walking"),
            keep=lambda _: None,
            images=Images(blobs=MemoryBlobs(), folder="undo/t/images/"),
        ),
        "memory": lambda: MemoryWorkspace({"in.txt": "héllo", "sub/deep.txt": "deep"}),
    }
    if request.param == "kernel" and not kernel_has_openat2():
        pytest.skip("this kernel has no openat2")
    return makers[request.param]()


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(StepError) as failure:
        action()
    return failure.value.code


def test_a_file_of_the_workspace_is_read(workspace: Workspace) -> None:
    assert workspace.read_text("in.txt") == "héllo"
    assert workspace.read_text("./sub/../sub/deep.txt") == "deep"


@pytest.mark.parametrize("path", ["none.txt", "sub/none.txt", "no/such/folder.txt", "in.txt/x"])
def test_a_missing_file_is_not_found(workspace: Workspace, path: str) -> None:
    assert code_of(lambda: workspace.read_text(path)) == "file_not_found"


@pytest.mark.parametrize(
    "path", ["../secret.txt", "../../secret.txt", "/etc/passwd", "sub/../../x", "", "a\0b", ".."]
)
def test_a_path_that_leads_out_is_denied(workspace: Workspace, path: str) -> None:
    assert code_of(lambda: workspace.read_text(path)) == "path_denied"
    assert code_of(lambda: workspace.write_output(path, "x")) == "path_denied"


def test_a_file_over_the_given_size_is_refused_and_one_of_it_is_read(workspace: Workspace) -> None:
    assert workspace.read_text("in.txt", max_bytes=6) == "héllo"
    assert code_of(lambda: workspace.read_text("in.txt", max_bytes=5)) == "limit_exceeded"


def test_an_output_has_its_path_below_the_output_folder(workspace: Workspace) -> None:
    assert workspace.write_output("a/../b/c.txt", "one") == "b/c.txt"
    assert workspace.write_output("b/c.txt", "two") == "b/c.txt"


def test_outputs_are_written_whole_with_their_folders(place: Place, opener: str) -> None:
    workspace = place.open(opener)
    workspace.write_output("x/y/z.json", "{}\n")
    workspace.write_output("x/y/z.json", "[é]\n")
    assert (place.out / "x" / "y" / "z.json").read_text(encoding="utf-8") == "[é]\n"
    assert [path.name for path in (place.out / "x" / "y").iterdir()] == ["z.json"]


def test_an_absolute_path_inside_a_root_is_legal(place: Place, opener: str) -> None:
    workspace = place.open(opener)
    assert workspace.read_text(str(place.work / "in.txt")) == "héllo"
    assert workspace.write_output(str(place.out / "o.txt"), "x") == "o.txt"


def test_a_file_beside_the_pipeline_is_read_after_those_of_the_workspace(
    place: Place, opener: str
) -> None:
    (place.beside / "in.txt").write_text("the other", encoding="utf-8")
    workspace = place.open(opener)
    assert workspace.read_text("beside.txt") == "beside"
    assert workspace.read_text("in.txt") == "héllo"


def test_a_parent_folder_is_read_only_when_it_was_allowed(place: Place, opener: str) -> None:
    (place.beside.parent / "shared.txt").write_text("shared", encoding="utf-8")
    closed, opened = place.open(opener), place.open(opener, place.beside.parent)
    assert code_of(lambda: closed.read_text("../shared.txt")) == "path_denied"
    assert opened.read_text("../shared.txt") == "shared"


def test_links_are_followed_inside_and_denied_outside(place: Place, opener: str) -> None:
    (place.work / "good").symlink_to("sub/deep.txt")
    (place.work / "up").symlink_to("sub/../in.txt")
    (place.work / "bad").symlink_to("../../secret.txt")
    (place.work / "absolute").symlink_to(place.root / "secret.txt")
    (place.work / "folder").symlink_to(place.root)
    (place.work / "loop").symlink_to("loop")
    workspace = place.open(opener)
    assert workspace.read_text("good") == "deep"
    assert workspace.read_text("up") == "héllo"
    for path in ("bad", "absolute", "folder/secret.txt", "loop"):
        assert code_of(lambda path=path: workspace.read_text(path)) == "path_denied"  # type: ignore[misc]


def test_an_output_does_not_go_through_a_link_that_leads_out(place: Place, opener: str) -> None:
    place.out.mkdir(parents=True)
    (place.out / "link.txt").symlink_to(place.root / "secret.txt")
    (place.out / "folder").symlink_to(place.root)
    workspace = place.open(opener)
    assert code_of(lambda: workspace.write_output("link.txt", "x")) == "path_denied"
    assert code_of(lambda: workspace.write_output("folder/new.txt", "x")) == "path_denied"
    assert (place.root / "secret.txt").read_text(encoding="utf-8") == "secret"
    assert not (place.root / "new.txt").exists()


def test_a_link_inside_the_output_folder_is_replaced(place: Place, opener: str) -> None:
    place.out.mkdir(parents=True)
    (place.out / "real.txt").write_text("real", encoding="utf-8")
    (place.out / "link.txt").symlink_to("real.txt")
    (place.out / "dangling.txt").symlink_to("nothing.txt")
    workspace = place.open(opener)
    workspace.write_output("link.txt", "new")
    workspace.write_output("dangling.txt", "new")
    assert (place.out / "link.txt").read_text(encoding="utf-8") == "new"
    assert (place.out / "real.txt").read_text(encoding="utf-8") == "real"


def test_only_plain_files_are_read(place: Place, opener: str) -> None:
    os.mkfifo(place.work / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place.work / "socket"))
    workspace = place.open(opener)
    assert code_of(lambda: workspace.read_text("pipe")) == "path_denied"
    assert code_of(lambda: workspace.read_text("socket")) == "path_denied"
    assert code_of(lambda: workspace.read_text("sub")) == "file_not_found"


def test_a_file_with_a_second_name_is_not_replaced(place: Place, opener: str) -> None:
    place.out.mkdir(parents=True)
    (place.out / "o.txt").write_text("old", encoding="utf-8")
    (place.root / "other-name.txt").hardlink_to(place.out / "o.txt")
    assert code_of(lambda: place.open(opener).write_output("o.txt", "new")) == "path_denied"


def test_an_output_does_not_replace_a_folder(place: Place, opener: str) -> None:
    (place.out / "o").mkdir(parents=True)
    assert code_of(lambda: place.open(opener).write_output("o", "new")) == "path_denied"


def test_a_component_over_255_bytes_is_denied(place: Place, opener: str) -> None:
    workspace = place.open(opener)
    assert code_of(lambda: workspace.read_text("x" * 300)) == "path_denied"
    assert code_of(lambda: workspace.write_output("x" * 300, "x")) == "path_denied"


def test_bytes_that_are_no_text_are_a_type_error(place: Place, opener: str) -> None:
    (place.work / "latin").write_bytes(b"\xe9")
    workspace = place.open(opener)
    assert code_of(lambda: workspace.read_text("latin")) == "type_error"
    assert code_of(lambda: workspace.read_text("latin", encoding="no-such")) == "type_error"
    assert workspace.read_text("latin", encoding="latin-1") == "é"


def test_a_workspace_that_does_not_exist_yet_holds_no_files(tmp_path: Path, opener: str) -> None:
    workspace = ConfinedWorkspace(
        workspace=tmp_path / "later", output_dir=tmp_path / "out", open_beneath=openers[opener]
    )
    assert code_of(lambda: workspace.read_text("a.txt")) == "file_not_found"
