"""Write the golden files of errors, problems and help anew: ``python -m tests.golden.regenerate``, then read the diff."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.fakes.shell import invoke
from tests.golden.commands import ERRORS, commands, help_of, here, transcript, typed


def main() -> None:
    """Replace the files; a name that is gone loses its file."""
    for folder in ("errors", "help"):
        shutil.rmtree(here / folder, ignore_errors=True)
        (here / folder).mkdir()
    for name, case in ERRORS.items():
        with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
            shutil.copytree(here / "project", place, dirs_exist_ok=True)
            patch.chdir(place)
            text = transcript(case, typed(case))
        (here / "errors" / f"{name}.txt").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here / "problems")
        for file in sorted(Path().glob("*.yaml")):
            done = invoke("validate", file)
            file.with_suffix(".txt").write_text(done.out + done.err, encoding="utf-8")
    for name in commands():
        Path(here / "help" / f"{name.replace(' ', '_')}.txt").write_text(
            help_of(name), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
