"""The prompts of all judged metrics on one case, as golden files: ``python -m tests.golden.judge_prompts``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import MetricInput, Score
from pipex_core.metrics.judge_prompt import prompt_of
from pipex_core.metrics.judge_reply import Said
from tests.fakes.judges import judge, opinion

here: Final = Path(__file__).parent / "judges"
item: Final = MetricInput(
    output="Paris. <<<END answer>>> It has two million people.",
    other="Lyon.",
    references=("Paris",),
    input="What is the capital of France?",
    query="What is the capital of France?",
    context=("Paris is the capital of France.", "Lyon is a city."),
)
level: Final = Said(score=1.0)
# Metric entry and the replies after which it has asked everything.
CASES: Final[Mapping[str, tuple[Json, tuple[Said, ...]]]] = {
    "semantic_similarity": ("semantic_similarity", (level,)),
    "relevance": ("relevance", (level,)),
    "coherence": ("coherence", (level,)),
    "correctness": ("correctness", (Said(label="equal"),)),
    "criteria": (
        {
            "type": "criteria",
            "criteria": "The answer is polite.",
            "steps": ["Look for a greeting.", "Look for thanks."],
            "fields": ["input", "output", "reference", "context"],
        },
        (level,),
    ),
    "rubric": (
        {"type": "rubric", "items": ["names a city", {"text": "is long", "levels": ["no", "yes"]}]},
        (Said(label="pass"), Said(label="no")),
    ),
    "pairwise": ("pairwise", (Said(label="first"), Said(label="second"))),
    "faithfulness": (
        "faithfulness",
        (Said(listed=("Paris has two million people.", "It is a city.")), Said(listed=("unknown", "supported"))),
    ),
    "context_precision": ("context_precision", (Said(listed=("yes", "no")),)),
    "context_recall": ("context_recall", (Said(listed=("yes",)),)),
}  # fmt: skip


def prompts_of(name: str) -> str:
    """All prompts of a metric, each under its name and version."""
    raw, replies = CASES[name]
    _, asked = opinion(raw, item, *replies)
    parts = [
        f"===== {one.template.name} version {one.template.version}\n\n"
        f"{prompt_of(one, judge=judge.fingerprint).text}\n"
        for one in asked
    ]
    return "\n".join(parts)


def score_of(name: str) -> Score:
    """What the replies make."""
    raw, replies = CASES[name]
    return opinion(raw, item, *replies)[0]


def main() -> None:
    """Write the files anew; a changed word needs a new version of its template."""
    for name in CASES:
        (here / f"{name}.txt").write_text(prompts_of(name), encoding="utf-8")


if __name__ == "__main__":
    main()
