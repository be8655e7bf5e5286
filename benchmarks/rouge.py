"""CPU of ROUGE-L with stemmer, of pipex through its metric and of rouge-score, on the same texts in one run."""

import json
import random
import time

from rouge_score.rouge_scorer import RougeScorer

from pipex_core.app.wiring import metrics
from pipex_core.metrics.contract import MetricInput, Scored
from pipex_core.metrics.entries import resolve_entries
from pipex_core.metrics.scoring import score_item

# Texts of summaries: a few hundred different words, one to two hundred of them in a text.
vocabulary = 400
pairs = 300
lengths = (100, 200)


def texts() -> list[tuple[str, str]]:
    """Pairs of answer and reference, half of whose words are the same."""
    rng = random.Random(11)
    endings = ("", "s", "ing", "ed", "ly", "ness")
    words = [
        "".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randrange(3, 9))) + rng.choice(endings)
        for _ in range(vocabulary)
    ]
    made = []
    for _ in range(pairs):
        reference = rng.choices(words, k=rng.randrange(*lengths))
        output = [word if rng.random() < 0.5 else rng.choice(words) for word in reference]
        made.append((" ".join(output), " ".join(reference)))
    return made


def main() -> None:
    """Measure and print JSON."""
    (entry,) = resolve_entries(["rougeL"], metrics())
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    made = texts()
    score_item(entry, MetricInput(output="warm up", references=("warm up",)))
    before = time.process_time()
    ours = [score_item(entry, MetricInput(output=one, references=(other,))) for one, other in made]
    ours_s = time.process_time() - before
    before = time.process_time()
    theirs = [scorer.score(other, one)["rougeL"].fmeasure for one, other in made]
    theirs_s = time.process_time() - before
    assert [one.value if isinstance(one, Scored) else None for one in ours] == theirs
    found = {
        "pairs": pairs,
        "cpu_ms_per_pair": round(1_000 * ours_s / pairs, 4),
        "cpu_ms_per_pair_of_rouge_score": round(1_000 * theirs_s / pairs, 4),
        "ratio": round(theirs_s / ours_s, 1),
        "bit_equal": True,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
