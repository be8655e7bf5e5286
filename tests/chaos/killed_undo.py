"""A process that undoes a transaction on real files and dies where it is told to.

Run as a script: ``killed_undo.py FOLDER new|resume [POINT VISIT]``.
"""

import os
import random
import sys
from pathlib import Path

root = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root))

from pipex_core.adapters.local import ArmedFaults, Fault, RandomIds  # noqa: E402 - needs the path
from pipex_core.adapters.local_files import LocalJournals  # noqa: E402
from pipex_core.adapters.workspace import ConfinedWorkspace  # noqa: E402
from pipex_core.ports import Workspace  # noqa: E402
from tests.fakes.world import World  # noqa: E402

pipeline = """
workflow:
  name: undone
  transaction: true
  steps:
    - {name: make, type: file_ops, operation: write, path: new/made.txt, content: made}
    - {name: change, type: file_ops, operation: write, path: a.txt, content: changed}
    - {name: gone, type: file_ops, operation: delete, path: d}
    - name: sent
      type: echo
      value: letter
      rollback: [{name: recall, type: file_ops, operation: write, path: b.txt, content: recalled}]
    - {name: place, type: file_ops, operation: move, source: b.txt, destination: e/}
    - {name: boom, type: echo, value: x, fail: true}
"""


def main(folder: Path, how: str, *death: str) -> None:
    """Execute or resume the run, and die on the way if told so."""
    faults = ArmedFaults({death[0]: Fault(visit=int(death[1]))} if death else {})
    files: Workspace = ConfinedWorkspace(workspace=folder / "w", output_dir=folder / "o")
    journals = LocalJournals(folder / "checkpoints", lock_wait_s=0, faults=faults)
    world = World(journals=journals).with_services(
        faults=faults, workspace=lambda _: files, ids=RandomIds(), rng=random.Random(7)
    )
    result = world.run(pipeline, run_id="r", resume=how == "resume")
    os._exit(0 if result.error is not None and result.error.code == "echo_failed" else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
