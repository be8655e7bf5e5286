"""Cases from logs and from a model, duplicates and clusters: each a proposal for a suite, never a change of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pipex_core.app import suitewiring
from pipex_core.app.evaluations import Desk, open_desk
from pipex_core.app.files import read_bytes, read_text
from pipex_core.app.measuring import embedder
from pipex_core.app.pipelines import waited
from pipex_core.app.suitediffs import diff_suites
from pipex_core.app.suites import load_suite
from pipex_core.app.targets import vendor_of
from pipex_core.errors import ConfigError, GenerationIncomplete
from pipex_core.evals.clustering import Clustered, cluster_suite
from pipex_core.evals.deduplication import Distinct, distinct_suite
from pipex_core.evals.nearduplicates import Similar, default_threshold, text_of_input
from pipex_core.evals.proposal import Proposal
from pipex_core.evals.scrub import Scrubber, ScrubMode
from pipex_core.evals.sourcing import LogFile, LogReading, cases_from_logs
from pipex_core.evals.suite import Case, Suite
from pipex_core.evals.suitediff import SuiteDiff
from pipex_core.evals.suiteshape import suite_id
from pipex_core.evals.synthesis import Author, CaseSpec, Generated, generate_cases
from pipex_core.jsonvalue import Json
from pipex_core.llm.client import NullCallLog
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.metrics.embedding import default_model
from pipex_core.registry import nearest
from pipex_core.spec.yaml_text import read_yaml

spec_fields = ("spec", "case_schema", "max_rounds", "threshold")
Vectors = Literal["words", "sentence-transformers", "wordllama", "python"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDiff:
    """Groups of a suite's cases, as a diff that applies them.

    Attributes:
        groups: As JSON, in order.
        facts: What else is to be said of them, by field of the document.
    """

    diff: SuiteDiff
    groups: tuple[Mapping[str, Json], ...]
    facts: Mapping[str, Json]

    def as_json(self) -> dict[str, Json]:
        """The diff with the groups beside it."""
        groups = [dict(group) for group in self.groups]
        return {**self.diff.as_json(), "groups": groups, **self.facts}


def new_suite(word: str) -> Suite:
    """A suite of this id without cases, for proposals that begin one.

    Raises:
        ConfigError: ``bad_id``.
    """
    if not suite_id.fullmatch(word):
        raise ConfigError(f"{word!r} cannot be the id of a suite", code="bad_id")
    return Suite(id=word, cases=())


def from_production_logs(  # noqa: PLR0913 - logs and how they are read, all named
    files: Sequence[str | Path],
    mapping: Mapping[str, str] | None = None,
    *,
    suite: Suite | str | Path,
    preset: str | None = None,
    where: str | None = None,
    pii: ScrubMode | None = None,
    pii_key: bytes = b"",
    pii_patterns: Mapping[str, str] | None = None,
    threshold: float | None = default_threshold,
    sample: int | None = None,
    seed: int = 0,
) -> Proposal:
    """The cases in some logs that a suite does not have yet, as a proposal; nothing is written.

    Args:
        files: JSON lines, JSON, CSV or Parquet, packed by gzip or zstd or not; spans of OpenTelemetry
            and documents of pipex by their presets.
        mapping: Case field to an expression over a record's fields.
        suite: The suite, its path, or its id.
        preset: ``openai anthropic otel pipex``.
        where: Expression; other records are left out.
        pii: What becomes of personal data; None for the suite's ``privacy``, else ``redact``.
        pii_key: Of ``hash``.
        pii_patterns: Regular expressions of further kinds, by name.
        threshold: Of near duplicates; None keeps them.
        sample: Most cases.
        seed: Of the sample.

    Raises:
        SpecError: A file or the suite cannot be read.
        ConfigError: An option is wrong, or a file holds no records.
        ExpressionError: An expression cannot be parsed.
    """
    known = suite if isinstance(suite, Suite) else load_suite(suite)
    reading = LogReading(
        mapping=mapping or {},
        preset=preset,
        where=where,
        scrubber=Scrubber(mode=_mode(pii, known), key=pii_key, patterns=pii_patterns or {}),
        threshold=threshold,
        sample_size=sample,
        seed=seed,
        imported_at=suitewiring.now_text(),
    )
    logs = [LogFile(name=Path(one).name, data=read_bytes(one)) for one in files]
    found = cases_from_logs(logs, suite=known, reading=reading)
    return Proposal(
        origin="logs",
        stages=tuple(stage.as_json() for stage in found.stages),
        diff=diff_suites(known, _with(known, found.cases)),
        facts={
            "rejected": [one.as_json() for one in found.rejected],
            "duplicates": _both(found.groups),
        },
    )


def _mode(pii: ScrubMode | None, suite: Suite) -> ScrubMode:
    if pii is not None:
        return pii
    match suite.extra.get("privacy"):
        case "hash":
            return "hash"
        case "drop":
            return "drop"
        case _:
            return "redact"


def _with(suite: Suite, cases: Sequence[Case]) -> Suite:
    return replace(suite, cases=tuple(sorted([*suite.cases, *cases], key=lambda case: case.id)))


def generate_synthetic(  # noqa: PLR0913 - a specification and who writes, all named
    spec: CaseSpec | str,
    count: int,
    *,
    suite: Suite | str | Path,
    model: str | None = None,
    provider: str | None = None,
    mock_responses: str | None = None,
    cassette: str | None = None,
    record: str | None = None,
    seed: int = 0,
    max_cost_usd: float | str | None = None,
) -> Proposal:
    """Exactly ``count`` new cases that a model wrote, as a proposal for a suite; works in a notebook too.

    Args:
        spec: What cases are wanted, in words or with a schema and examples.
        count: At least 1.
        suite: The suite, its path, or its id; it has none of the new cases, and lends its own as examples.
        model: None for the model of the settings.
        provider: Who answers: ``mock live replay``. Rules of the mock match type ``generator``.
        mock_responses: Rules of the mock.
        cassette: Of replay.
        record: File that live answers are appended to.
        seed: Another one gives other cases.
        max_cost_usd: Cap on what the calls cost.

    Raises:
        GenerationIncomplete: There are fewer; ``kept`` is the proposal with those that there are.
        SpecError: The suite cannot be read, or the schema is none.
        ConfigError: An option is wrong, or the provider cannot be used.
    """
    known = suite if isinstance(suite, Suite) else load_suite(suite)
    wanted = spec if isinstance(spec, CaseSpec) else CaseSpec(text=spec)
    desk = open_desk(kind=provider, mock_responses=mock_responses, cassette=cassette, record=record)
    cap = desk.settings.max_cost_usd if max_cost_usd is None else Decimal(str(max_cost_usd))
    author = _author(desk, model, seed=seed, cap=cap)
    made = waited(_written(desk, wanted, count, known, author))
    proposal = _proposal_of(made, known, author)
    if proposal.problem is not None:
        raise GenerationIncomplete(str(proposal.problem["message"]), kept=proposal)
    return proposal


def _author(desk: Desk, model: str | None, *, seed: int, cap: Decimal | None) -> Author:
    named = model or desk.settings.claude_model
    if named is None:
        if desk.providing.kind != "mock":
            message = "no model writes the cases: name one with --model, or set CLAUDE_MODEL"
            raise ConfigError(message, code="missing_field")
        named = "mock"
    around = (
        desk.surroundings
    )  # opens the providers, so it comes after what can be said without them
    vendor = vendor_of(named)
    provider = around.vendors.get(vendor, vendor)
    return Author(
        client=desk.services.client,
        log=NullCallLog("generate"),
        ledger=Ledger(Budget(name="generate", max_cost_usd=cap)),
        provider=provider,
        model=named,
        base_url=around.base_urls.get(provider, ""),
        retry=RetryPolicy(max_retries=desk.services.settings.get("max_retries", 3)),
        seed=seed,
        created_at=suitewiring.now_text(),
    )


async def _written(
    desk: Desk, spec: CaseSpec, count: int, suite: Suite, author: Author
) -> Generated:
    try:
        return await generate_cases(spec, count, suite=suite, author=author)
    finally:
        await desk.aclose()


def _proposal_of(made: Generated, suite: Suite, author: Author) -> Proposal:
    n = made.counts
    left = n["proposed"]
    stages = []
    for stage, lost in (
        ("valid", n["invalid"]),
        ("exact_dedup", n["duplicates"]),
        ("near_dedup", n["near_duplicates"]),
        ("count", n["surplus"]),
    ):
        stages.append({"stage": stage, "n_in": left, "n_out": left - lost})
        left -= lost
    problem = None
    if not made.is_complete:
        message = f"{len(made.cases)} of {made.wanted} cases: {made.message} [{made.stopped_by}]"
        problem = {"code": GenerationIncomplete.code, "message": message, "cause": made.stopped_by}
    return Proposal(
        origin="generator",
        stages=tuple(stages),
        diff=diff_suites(suite, _with(suite, made.cases)),
        facts={
            "wanted": made.wanted,
            "model": author.model,
            "seed": author.seed,
            "rounds": n["rounds"],
            "unusable_replies": n["unusable_replies"],
            "rejected": list(made.invalid),
            "cost_usd": made.cost_nanousd / 1e9,
        },
        problem=problem,
    )


def read_case_spec(word: str, *, examples: str | None = None) -> CaseSpec:
    """The specification in a file, or a sentence that is one.

    Args:
        word: A YAML or JSON file with ``spec`` and perhaps ``case_schema``, ``max_rounds`` and
            ``threshold``; any other file is the text; so is a word with blanks that is no file.
        examples: A suite whose cases are shown instead of those of the suite that is extended.

    Raises:
        ConfigError: ``file_not_found``, ``unknown_field``, ``bad_option``.
        SpecError: The file is no YAML, the schema is none, or the suite of examples cannot be read.
    """
    shown = load_suite(examples).cases if examples else ()
    if " " in word.strip() and not Path(word).exists():
        return CaseSpec(text=word, examples=shown)
    text = read_text(word)
    if Path(word).suffix not in {".yaml", ".yml", ".json"}:
        return CaseSpec(text=text, examples=shown)
    data = read_yaml(text, word).value
    if not isinstance(data, Mapping) or not isinstance(data.get("spec"), str):
        raise ConfigError(f"{word} needs a text `spec`", code="bad_option")
    unknown = next((name for name in data if name not in spec_fields), None)
    if unknown is not None:
        near = nearest(str(unknown), spec_fields)
        hint = f"; did you mean {near!r}?" if near else f"; there are {', '.join(spec_fields)}"
        raise ConfigError(f"{word}: unknown field {unknown!r}{hint}", code="unknown_field")
    schema, rounds = data.get("case_schema"), data.get("max_rounds")
    threshold = data.get("threshold", default_threshold)
    if not (schema is None or isinstance(schema, Mapping)) or not _is_count(rounds):
        message = f"{word}: case_schema is a map and max_rounds a whole number"
        raise ConfigError(message, code="bad_option")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise ConfigError(f"{word}: threshold is a number", code="bad_option")
    return CaseSpec(
        text=data["spec"],
        case_schema=schema,
        examples=shown,
        threshold=threshold,
        max_rounds=rounds,
    )


def _is_count(value: Json) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def dedup_diff(path: str | Path, *, threshold: float | None = default_threshold) -> GroupDiff:
    """The duplicates of a suite on disk, as a diff that leaves all but the oldest of each group out.

    Raises:
        SpecError: The suite cannot be read.
        ConfigError: ``out_of_range``, the threshold is not above 0 and at most 1.
    """
    suite = load_suite(path)
    try:
        found = distinct_suite(suite, threshold=threshold)
    except ValueError as exc:
        raise ConfigError(str(exc), code="out_of_range") from exc
    kept = tuple(case for case in suite.cases if case.id not in found.removed)
    diff = diff_suites(suite, replace(suite, cases=kept))
    facts = {"threshold": threshold, "n_removed": len(found.removed), "size": len(suite.cases)}
    return GroupDiff(diff=diff, groups=tuple(_both(found)), facts=facts)


def _both(found: Distinct) -> list[dict[str, Json]]:
    return [
        *(_group("exact", group) for group in found.exact),
        *(_group("near", group) for group in found.near),
    ]


def _group(kind: str, group: Similar) -> dict[str, Json]:
    return {
        "kind": kind,
        "keep": group.keep,
        "others": list(group.others),
        "similarity": list(group.similarity),
    }


def cluster_diff(
    path: str | Path,
    *,
    k: int | None = None,
    seed: int = 0,
    vectors: Vectors = "words",
    model: str = default_model,
) -> GroupDiff:
    """The clusters of a suite on disk, as a diff that writes ``cluster_id`` into its cases.

    Args:
        path: Of the suite.
        k: Number of clusters; None for the best silhouette of 2 to 20.
        seed: The same seed gives the same clusters.
        vectors: ``words`` needs nothing; the others must be installed.
        model: Of vectors that are not words: a folder, a name, or ``module:function`` for ``python``.

    Raises:
        SpecError: The suite cannot be read.
        ConfigError: ``out_of_range``, or ``dependency_missing``.
    """
    suite = load_suite(path)
    found: Clustered = cluster_suite(suite, k, seed=seed, embedded=_embedded(suite, vectors, model))
    return GroupDiff(
        diff=diff_suites(suite, found.suite),
        groups=tuple(cluster.as_json() for cluster in found.clusters),
        facts={
            "k": len(found.clusters),
            "seed": seed,
            "silhouettes": {str(tried): value for tried, value in found.silhouettes.items()},
        },
    )


def _embedded(suite: Suite, vectors: Vectors, model: str) -> Sequence[Sequence[float]] | None:
    if vectors == "words":
        return None
    try:
        made = embedder(vectors, model)
    except ImportError as exc:
        raise ConfigError(
            f"{vectors} cannot be used here: {exc}",
            code="dependency_missing",
            next_step="install the extra `embeddings`, or cluster by words",
        ) from exc
    return made.embed([text_of_input(case) for case in suite.cases])
