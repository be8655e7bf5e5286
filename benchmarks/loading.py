"""CPU of loading and checking 50 pipelines of 20 steps, beside parsing the same files with PyYAML alone."""

import json
import tempfile
import time
from pathlib import Path

import yaml

from pipex_core.app.pipelines import load_pipeline
from pipex_core.app.settings import read_settings

files, steps = 50, 20


def text_of(number: int) -> str:
    """A pipeline whose steps refer to one another."""
    lines = ["workflow:", f"  name: p{number}", "  inputs: {topic: {type: string}}", "  steps:"]
    for i in range(steps):
        before = f"{{{{ steps.s{i - 1}.text }}}}" if i else "{{ inputs.topic }}"
        lines += [
            f"    - name: s{i}",
            "      type: claude",
            f"      condition: 'length(inputs.topic) > {i}'",
            f"      prompt: [{{type: static, content: 'Go on: {before}'}}]",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print JSON."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"p{i}.yaml" for i in range(files)]
        for number, path in enumerate(paths):
            path.write_text(text_of(number), encoding="utf-8")
        settings = read_settings({})
        load_pipeline(paths[0], settings=settings)
        before = time.process_time()
        for path in paths:
            load_pipeline(path, settings=settings)
        loaded_s = time.process_time() - before
        before = time.process_time()
        for path in paths:
            yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        parsed_s = time.process_time() - before
    found = {
        "cpu_s_50_pipelines_1000_steps": round(loaded_s, 3),
        "cpu_s_parsing_alone": round(parsed_s, 3),
        "ratio_to_parsing_alone": round(loaded_s / parsed_s, 1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
