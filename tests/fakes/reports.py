"""Findings for the tests of report formats: a gated run beside its baseline, and texts that mean harm."""

from typing import Any

from pipex_core.adapters.memory import MemoryBlobs
from pipex_core.evals.archive import Archive
from pipex_core.evals.findings import Findings, FlipText, Witness
from pipex_core.evals.gatefile import gate_of
from pipex_core.evals.judgement import judged_of
from pipex_core.evals.publication import Place
from pipex_core.evals.runner import EvalRun, place_of_job
from pipex_core.evals.suite import SuiteDefaults
from tests.fakes.evaluation import answering, capital_suite, case, job, run
from tests.fakes.world import World

hostile = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> </style> ]]> --> | `x` @all, %0A"
    " ::error::no \u2028 \u202egnp\u202c \x1b[2J \x00 https://evil.example =cmd()"
)


def findings(made: EvalRun, **fields: Any) -> Findings:
    """What a report is made from."""
    return Findings(
        manifest=made.manifest,
        judgement=made.judgement,
        responses=made.responses,
        scores=made.scores,
        **fields,
    )


def compared_findings() -> Findings:
    """Thirty cases of which twelve were broken and one was fixed, under rules of every kind."""
    cases = [
        case(f"q{i:02}", input=f"Capital of q{i:02}?", expected_output=f"w{i}") for i in range(30)
    ]
    suite = capital_suite(cases, defaults=SuiteDefaults(metrics=("exact_match", "token_f1")))
    before = run(job(suite), World(answering(_answers({7}))))
    gate = gate_of({"rules": rules_of_every_kind})
    made = job(suite, run_id="ev_2", gate=gate, baseline=judged_of(before.judgement))
    now = run(made, World(answering(_answers(set(broken)))))
    flips = [
        FlipText(case_id=f"q{i:02}", metric="exact_match", change=-1.0, passed_now=False,
                 output_before=f"w{i}", output_now="a wrong word", expected=f"w{i}")
        for i in broken
    ]  # fmt: skip
    fixed = FlipText(
        case_id="q07", metric="exact_match", change=1.0, passed_now=True, output_now="w7"
    )
    against = Witness(manifest=before.manifest, responses=before.responses, scores=before.scores)
    return findings(now, flips=[*flips, fixed], command="pipex eval run capitals", against=against)


def archived(blobs: MemoryBlobs) -> tuple[Archive, Place, Place]:
    """A store with a baseline of forty tagged cases, and a run in which one tag fell; their places."""
    cases = [
        case(f"q{i:02}", input=f"Capital of q{i:02}?", expected_output=f"w{i}",
             tags=("hard",) if i % 2 else ("easy",))
        for i in range(80)
    ]  # fmt: skip
    suite = capital_suite(cases, defaults=SuiteDefaults(metrics=("exact_match", "token_f1")))
    words = {f"q{i:02}": f"w{i}" for i in range(80)}
    before = run(job(suite), World(answering(words)), blobs=blobs)
    gate = gate_of({"rules": rules_of_every_kind[:1]})
    made = job(suite, run_id="ev_2", gate=gate, baseline=judged_of(before.judgement))
    fallen = dict.fromkeys(list(words)[1:41:2], "a wrong word")
    now = run(made, World(answering({**words, **fallen})), blobs=blobs)
    return Archive(blobs), place_of_job(now.job), place_of_job(before.job)


broken = (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13)
rules_of_every_kind = [
    {"id": "not_worse", "metric": "exact_match", "kind": "noninferiority", "margin": 0.05,
     "fail_on": "regression"},
    {"id": "better", "metric": "exact_match", "kind": "superiority", "min_gain": 0.01,
     "tier": "advisory"},
    {"id": "same", "metric": "token_f1", "kind": "equivalence", "margin": 0.5},
    {"id": "no_drop", "metric": "token_f1", "kind": "regression_pct", "drop": 5},
    {"id": "floor", "metric": "exact_match", "kind": "threshold", "value": 0.5},
    {"id": "price", "metric": "cost_total", "kind": "threshold", "value": 1.0, "bound": "point"},
    {"id": "seen", "metric": "exact_match", "kind": "coverage", "min": 0.95},
]  # fmt: skip


def hostile_findings() -> Findings:
    """A run in which every text that a person can choose means harm."""
    cases = [case("de", expected_output=hostile, input=f"Capital of de? {hostile}"), case("es")]
    suite = capital_suite(cases, defaults=SuiteDefaults(metrics=("exact_match",)))
    gate = gate_of(
        {
            "baseline": "none",
            "rules": [{"id": hostile, "metric": "exact_match", "kind": "threshold", "value": 0.9,
                       "bound": "point"}],
        }
    )  # fmt: skip
    made = run(job(suite, gate=gate), World({"default": {"reply": f"={hostile}"}}))
    flips = [
        FlipText(case_id=hostile, metric=hostile, change=-1.0, passed_now=False,
                 output_before=f"good {hostile}", output_now=f"bad {hostile}", expected=hostile)
    ]  # fmt: skip
    return findings(made, flips=flips, command=hostile)


def _answers(wrong: set[int]) -> dict[str, str]:
    return {f"q{i:02}": "a wrong word" if i in wrong else f"w{i}" for i in range(30)}
