"""What every workspace promises when files are listed and changed: inside of its root, whole, within its quota."""

import ctypes
import os
import threading
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
from pipex_core.adapters.workspace.quota import Quota
from pipex_core.engine.guarded import GuardedWorkspace, Images
from pipex_core.errors import StepError
from pipex_core.ports import Workspace
from tests.fakes.workspace import MemoryWorkspace

at_cwd, rename_exchange = -100, 2  # of fcntl.h and stdio.h
openers = {"kernel": open_by_kernel, "walking": open_by_walking}
leading_out = [
    "../secret.txt",
    "../../secret.txt",
    "sub/../../secret.txt",
    "/etc/passwd",
    "/",
    "",
    "a\0b",
    "..",
    "sub/../..",
    "./../work2/x",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a secret beside the workspace ``work``, which holds two files."""
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    (tmp_path / "work2").mkdir()
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (work / "in.txt").write_text("héllo", encoding="utf-8")
    (work / "sub" / "deep.txt").write_text("deep", encoding="utf-8")
    return tmp_path


@pytest.fixture(params=sorted(openers))
def confined(request: pytest.FixtureRequest, root: Path) -> ConfinedWorkspace:
    if request.param == "kernel" and not kernel_has_openat2():
        pytest.skip("this kernel has no openat2")
    return ConfinedWorkspace(
        workspace=root / "work", output_dir=root / "out", open_beneath=openers[request.param]
    )


def guarded(workspace: Workspace) -> GuardedWorkspace:
    """The same, noting before each change how to undo it."""
    images = Images(blobs=MemoryBlobs(), folder="undo/t/images/")
    return GuardedWorkspace(workspace, keep=lambda _: None, images=images)


@pytest.fixture(params=["kernel", "walking", "memory", "guarded"])
def workspace(request: pytest.FixtureRequest, root: Path) -> Workspace:
    if request.param == "guarded":
        return guarded(ConfinedWorkspace(workspace=root / "work", output_dir=root / "out"))
    if request.param == "memory":
        return MemoryWorkspace({"in.txt": "héllo", "sub/deep.txt": "deep"})
    if request.param == "kernel" and not kernel_has_openat2():
        pytest.skip("this kernel has no openat2")
    return ConfinedWorkspace(
        workspace=root / "work", output_dir=root / "out", open_beneath=openers[request.param]
    )


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(StepError) as failure:
        action()
    return failure.value.code


def names(workspace: Workspace, path: str = ".", *, recursive: bool = True) -> list[str]:
    return [entry.path for entry in workspace.list(path, recursive=recursive)]


def test_what_was_written_is_read_and_listed(workspace: Workspace) -> None:
    assert workspace.write("a/b/../c.txt", b"\x00\xff") == "a/c.txt"
    assert workspace.read_bytes("a/c.txt") == b"\x00\xff"
    assert names(workspace) == ["a", "a/c.txt", "in.txt", "sub", "sub/deep.txt"]
    workspace.write("a/c.txt", b"new")
    assert workspace.read_bytes("a/c.txt") == b"new"


def test_a_listing_shows_kind_and_size(workspace: Workspace) -> None:
    shown = [(e.path, e.is_folder, e.size_bytes) for e in workspace.list()]
    assert shown == [("in.txt", False, 6), ("sub", True, 0)]
    assert names(workspace, "sub", recursive=False) == ["sub/deep.txt"]
    assert names(workspace, "./sub/") == ["sub/deep.txt"]


def test_a_file_may_be_made_one_that_can_be_run_and_stays_it(workspace: Workspace) -> None:
    workspace.write("run.sh", b"1", is_executable=True)
    workspace.write("run.sh", b"2")
    workspace.write("plain", b"1")
    found = {entry.path: entry.is_executable for entry in workspace.list(".")}
    assert (found["run.sh"], found["plain"], found["sub"]) == (True, False, False)
    workspace.write("run.sh", b"3", is_executable=False)
    again = workspace.stat("run.sh")
    assert again is not None
    assert not again.is_executable


def test_stat_tells_files_folders_and_nothing_apart(workspace: Workspace) -> None:
    file, folder = workspace.stat("in.txt"), workspace.stat("sub")
    assert file is not None
    assert (file.path, file.is_folder, file.size_bytes) == ("in.txt", False, 6)
    assert folder is not None
    assert folder.is_folder
    whole = workspace.stat(".")
    assert whole is not None
    assert (whole.path, whole.is_folder) == (".", True)
    assert workspace.stat("none") is None
    assert workspace.stat("in.txt/x") is None


def test_a_deleted_file_is_gone_and_a_folder_goes_with_its_files(workspace: Workspace) -> None:
    workspace.write("sub/more/x", b"x")
    assert workspace.delete("in.txt") == ["in.txt"]
    assert workspace.delete("sub") == ["sub/deep.txt", "sub/more/x"]
    assert names(workspace) == []
    assert code_of(lambda: workspace.delete("in.txt")) == "file_not_found"


def test_copies_leave_the_source_and_moves_do_not(workspace: Workspace) -> None:
    assert workspace.copy("in.txt", "new/copy.txt") == ["new/copy.txt"]
    assert workspace.copy("sub", "new/sub") == ["new/sub/deep.txt"]
    assert workspace.read_bytes("new/copy.txt") == "héllo".encode()
    assert workspace.move("in.txt", "sub/deep.txt") == ["sub/deep.txt"]
    assert workspace.read_bytes("sub/deep.txt") == "héllo".encode()
    assert workspace.move("new", "moved") == ["moved/copy.txt", "moved/sub/deep.txt"]
    files = [e.path for e in workspace.list(recursive=True) if not e.is_folder]
    assert files == ["moved/copy.txt", "moved/sub/deep.txt", "sub/deep.txt"]


@pytest.mark.parametrize("path", ["none.txt", "sub/none.txt", "in.txt/x"])
def test_what_is_not_there_is_not_found(workspace: Workspace, path: str) -> None:
    assert code_of(lambda: workspace.read_bytes(path)) == "file_not_found"
    assert code_of(lambda: workspace.list(path)) == "file_not_found"
    assert code_of(lambda: workspace.copy(path, "x")) == "file_not_found"
    assert code_of(lambda: workspace.move(path, "x")) == "file_not_found"
    assert code_of(lambda: workspace.list("in.txt")) == "file_not_found"


@pytest.mark.parametrize("path", leading_out)
def test_a_path_that_leads_out_is_denied_to_everything(workspace: Workspace, path: str) -> None:
    before = names(workspace)
    actions: list[Callable[[], object]] = [
        lambda: workspace.read_bytes(path),
        lambda: workspace.write(path, b"x"),
        lambda: workspace.delete(path),
        lambda: workspace.copy(path, "x"),
        lambda: workspace.copy("in.txt", path),
        lambda: workspace.move(path, "x"),
        lambda: workspace.move("in.txt", path),
        lambda: workspace.stat(path),
        lambda: workspace.list(path),
        lambda: workspace.narrowed(path),
    ]
    assert {code_of(action) for action in actions} == {"path_denied"}
    assert names(workspace) == before


def test_the_workspace_itself_is_not_removed_or_replaced(workspace: Workspace) -> None:
    assert code_of(lambda: workspace.delete(".")) == "path_denied"
    assert code_of(lambda: workspace.write("sub/..", b"x")) == "path_denied"
    assert code_of(lambda: workspace.copy("in.txt", ".")) == "path_denied"
    assert code_of(lambda: workspace.copy("in.txt", "sub")) == "path_denied"
    assert code_of(lambda: workspace.copy("sub", "sub/inner")) == "path_denied"
    assert code_of(lambda: workspace.move("sub", "sub/inner")) == "path_denied"


def test_a_narrowed_workspace_knows_nothing_above_it(workspace: Workspace) -> None:
    inner = workspace.narrowed("sub")
    assert names(inner) == ["deep.txt"]
    assert inner.write("x.txt", b"x") == "x.txt"
    assert workspace.read_bytes("sub/x.txt") == b"x"
    assert code_of(lambda: inner.read_bytes("../in.txt")) == "path_denied"
    assert code_of(lambda: inner.write("../in.txt", b"x")) == "path_denied"
    assert names(workspace.narrowed(".")) == names(workspace)
    assert names(workspace.narrowed("new/folder")) == []


def test_the_quota_of_files_holds_for_new_ones_only(root: Path) -> None:
    full = ConfinedWorkspace(
        workspace=root / "work", output_dir=root / "out", quota=Quota(max_files=3)
    )
    for workspace in (full, MemoryWorkspace({"a": "", "b": ""}, max_files=3)):
        workspace.write("third", b"3")
        assert code_of(lambda w=workspace: w.write("fourth", b"4")) == "limit_exceeded"  # type: ignore[misc]
        assert code_of(lambda w=workspace: w.copy("third", "fourth")) == "limit_exceeded"  # type: ignore[misc]
        workspace.write("third", b"again")
        workspace.delete("third")
        workspace.write("fourth", b"4")


def test_the_quota_of_bytes_counts_what_replaced_files_free(root: Path) -> None:
    workspace = ConfinedWorkspace(
        workspace=root / "work", output_dir=root / "out", quota=Quota(max_bytes=30)
    )
    workspace.write("x", b"." * 20)  # beside "héllo" and "deep", which have 10 bytes
    assert code_of(lambda: workspace.write("y", b".")) == "limit_exceeded"
    assert code_of(lambda: workspace.narrowed("sub").write("y", b".")) == "limit_exceeded"
    assert code_of(lambda: workspace.copy("x", "y")) == "limit_exceeded"
    workspace.write("x", b"." * 10)
    workspace.write("y", b"." * 10)
    assert not (root / "work" / "z").exists()


def test_what_others_wrote_counts_after_a_recount(root: Path) -> None:
    workspace = ConfinedWorkspace(
        workspace=root / "work", output_dir=root / "out", quota=Quota(max_files=3)
    )
    workspace.write("x", b"")
    (root / "work" / "x").unlink()
    assert code_of(lambda: workspace.write("y", b"")) == "limit_exceeded"
    workspace.recount()
    workspace.write("y", b"")


def test_links_out_are_not_followed_by_anything(confined: ConfinedWorkspace, root: Path) -> None:
    work = root / "work"
    (work / "file").symlink_to(root / "secret.txt")
    (work / "folder").symlink_to(root)
    (work / "up").symlink_to("../work2")
    denied: list[Callable[[], object]] = [
        lambda: confined.read_bytes("file"),
        lambda: confined.read_bytes("folder/secret.txt"),
        lambda: confined.write("file", b"x"),
        lambda: confined.write("up/x", b"x"),
        lambda: confined.copy("file", "y"),
        lambda: confined.copy("folder", "y"),
        lambda: confined.copy("in.txt", "up/x"),
        lambda: confined.move("in.txt", "up/x"),
        lambda: confined.list("folder"),
        lambda: confined.stat("file"),
        lambda: confined.narrowed("folder"),
        lambda: confined.delete("folder/secret.txt"),
    ]
    assert [code_of(action) for action in denied] == ["path_denied"] * len(denied)
    assert names(confined) == ["in.txt", "sub", "sub/deep.txt"]
    assert (root / "secret.txt").read_text(encoding="utf-8") == "secret"
    assert list((root / "work2").iterdir()) == []


def test_deleting_a_link_leaves_what_it_leads_to(confined: ConfinedWorkspace, root: Path) -> None:
    work = root / "work"
    (work / "out").symlink_to(root / "work2")
    (work / "in").symlink_to("sub")
    (work / "tree").mkdir()
    (work / "tree" / "link").symlink_to(root / "secret.txt")
    assert confined.delete("out") == ["out"]
    assert confined.delete("in") == ["in"]
    assert confined.delete("tree") == ["tree/link"]
    assert (root / "work2").is_dir()
    assert (root / "secret.txt").is_file()
    assert (work / "sub" / "deep.txt").is_file()


def test_links_inside_are_listed_as_what_they_lead_to(
    confined: ConfinedWorkspace, root: Path
) -> None:
    (root / "work" / "a-file").symlink_to("sub/deep.txt")
    (root / "work" / "a-folder").symlink_to("sub")
    (root / "work" / "dangling").symlink_to("nothing")
    (root / "work" / "loop").symlink_to("loop")
    shown = [(e.path, e.is_folder, e.size_bytes) for e in confined.list(recursive=True)]
    assert shown[:2] == [("a-file", False, 4), ("a-folder", True, 0)]
    assert [path for path, _, _ in shown[2:]] == ["in.txt", "sub", "sub/deep.txt"]


def test_files_with_a_second_name_are_not_written_to(
    confined: ConfinedWorkspace, root: Path
) -> None:
    (root / "work" / "twice").hardlink_to(root / "secret.txt")
    denied: list[Callable[[], object]] = [
        lambda: confined.write("twice", b"x"),
        lambda: confined.copy("in.txt", "twice"),
        lambda: confined.move("in.txt", "twice"),
    ]
    assert [code_of(action) for action in denied] == ["path_denied"] * 3
    assert (root / "secret.txt").read_text(encoding="utf-8") == "secret"
    assert (root / "work" / "in.txt").exists()


def test_pipes_are_neither_listed_nor_used(confined: ConfinedWorkspace, root: Path) -> None:
    os.mkfifo(root / "work" / "pipe")
    assert names(confined) == ["in.txt", "sub", "sub/deep.txt"]
    denied: list[Callable[[], object]] = [
        lambda: confined.read_bytes("pipe"),
        lambda: confined.write("pipe", b"x"),
        lambda: confined.move("pipe", "x"),
    ]
    assert [code_of(action) for action in denied] == ["path_denied"] * 3
    assert confined.stat("pipe") is None


def test_a_written_file_keeps_its_permissions(confined: ConfinedWorkspace, root: Path) -> None:
    script = root / "work" / "run.sh"
    script.write_text("old", encoding="utf-8")
    script.chmod(0o4755)
    confined.write("run.sh", b"new")
    confined.copy("run.sh", "copy.sh")
    assert script.stat().st_mode & 0o7777 == 0o755
    assert (root / "work" / "copy.sh").stat().st_mode & 0o7777 == 0o755


def test_a_workspace_is_made_by_its_first_write(tmp_path: Path) -> None:
    workspace = ConfinedWorkspace(workspace=tmp_path / "later" / "w", output_dir=tmp_path / "out")
    assert workspace.stat("x") is None
    assert list(workspace.list()) == []
    assert workspace.stat(".") is not None
    assert not (tmp_path / "later").exists()
    workspace.write("x", b"1")
    assert (tmp_path / "later" / "w" / "x").read_bytes() == b"1"


def test_allowed_folders_are_read_and_never_written(root: Path) -> None:
    (root / "work2" / "shared.txt").write_text("shared", encoding="utf-8")
    (root / "work2" / "link").symlink_to("shared.txt")
    workspace = ConfinedWorkspace(
        workspace=root / "work",
        output_dir=root / "out",
        beside=root,
        allowed=[root / "work2"],
    )
    shared = root / "work2" / "shared.txt"
    assert workspace.read_bytes(str(shared)) == b"shared"
    assert workspace.read_bytes("../work2/shared.txt") == b"shared"
    assert names(workspace, str(root / "work2")) == [str(root / "work2" / "link"), str(shared)]
    for action in (
        lambda: workspace.write(str(shared), b"x"),
        lambda: workspace.delete(str(shared)),
        lambda: workspace.copy(str(shared), "x"),
        lambda: workspace.read_bytes("../secret.txt"),  # beside the pipeline: for its parts only
    ):
        assert code_of(action) == "path_denied"
    assert workspace.read_text("secret.txt") == "secret"


def test_names_that_are_no_text_are_passed_over(confined: ConfinedWorkspace, root: Path) -> None:
    (root / "work" / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    assert names(confined) == ["in.txt", "sub", "sub/deep.txt"]


def test_folders_that_nest_without_end_are_refused(confined: ConfinedWorkspace, root: Path) -> None:
    deep = root / "work"
    for _ in range(102):
        deep = deep / "d"
        deep.mkdir()
    assert code_of(lambda: confined.list(recursive=True)) == "limit_exceeded"
    assert code_of(lambda: confined.write("x", b"")) == "limit_exceeded"


def test_a_folder_that_becomes_a_link_at_any_moment_leads_nowhere(
    confined: ConfinedWorkspace, root: Path
) -> None:
    """Somebody swaps a folder for a link to the outside, again and again, while we read and write."""
    place, link = root / "work" / "race", root / "link"
    place.mkdir()
    (place / "secret.txt").write_text("inside", encoding="utf-8")
    link.symlink_to(root)
    exchange = ctypes.CDLL(None).renameat2
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            exchange(at_cwd, os.fsencode(place), at_cwd, os.fsencode(link), rename_exchange)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[object] = set()
    actions: list[Callable[[], object]] = [
        lambda: confined.read_bytes("race/secret.txt"),
        lambda: confined.write("race/planted.txt", b"x"),
        lambda: tuple(confined.delete("race/planted.txt")),
    ]
    try:
        for _ in range(300):
            for action in actions:
                try:
                    seen.add(action())
                except StepError as error:
                    seen.add(error.code)
    finally:
        done.set()
        swapping.join()
    assert "path_denied" in seen
    assert seen - {"path_denied", "file_not_found"} <= {
        b"inside",
        "race/planted.txt",
        ("race/planted.txt",),
    }
    assert not (root / "planted.txt").exists()
    assert (root / "secret.txt").read_text(encoding="utf-8") == "secret"
