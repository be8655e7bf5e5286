"""What an evaluation does not load: libraries that cost a second and a hundred megabytes."""

import json
import subprocess
import sys
from pathlib import Path

heavy = "pandas nltk scipy.stats sklearn matplotlib sqlalchemy boto3 anthropic google.genai dagster"


def test_an_evaluation_loads_no_heavy_library(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "suite.yaml").write_text("id: lean\n", encoding="utf-8")
    cases = [{"id": f"c{i}", "input": "q", "expected_output": f"answer {i}"} for i in range(40)]
    answers = [{"case_id": f"c{i}", "output": f"answer {i % 2}"} for i in range(40)]
    for name, rows in ((suite / "cases.jsonl", cases), (tmp_path / "a.jsonl", answers)):
        name.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    program = (
        "import sys\n"
        "from pipex_core.cli.main import pipex, run_command\n"
        "metrics = ['-m', 'exact_match', '-m', 'rouge']\n"
        "run_command(pipex, ['eval', 'run', 'suite', '--recorded', 'a.jsonl', *metrics])\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "rouge" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"
