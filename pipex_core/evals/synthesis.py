"""Cases that a model writes to a specification: asked for in batches, checked one by one, never one too many.

What a model wrote is a draft until somebody accepted it: a reference of it is marked as unverified and
stays out of gates. A reply that is cut off or is no JSON costs a round, and the next batch is smaller.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipex_core.errors import BudgetExceeded, ConfigError, ProviderError
from pipex_core.evals.curate import sample
from pipex_core.evals.deduplication import distinct
from pipex_core.evals.nearduplicates import default_threshold
from pipex_core.evals.suite import Case, Suite, hashes
from pipex_core.evals.suiteshape import case_data, read_case
from pipex_core.jsonvalue import Json, check_schema, compact, digest_bytes, require_schema, short
from pipex_core.llm.client import LlmClient
from pipex_core.llm.cost import Ledger
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.provider import CallLog, Message, Origin, Request
from pipex_core.llm.structured import data_of

generator_name: Final = "pipex.synthesis/1"
most_per_batch: Final = 20
most_examples: Final = 5
most_tokens: Final = 8192  # of a reply with a whole batch
_repeats_apart: Final = 10_000  # more than the rounds of a seed: no two seeds share a reply
_shown: Final = 100  # reasons for invalid cases that are kept
_form: Final = (
    'Reply with one JSON object {"cases": [...]} and nothing else. Every case has an "input", what the'
    ' system under test is given, and where there is a right answer an "expected_output".'
    " Let each case ask something else."
)
# What a case says of itself and its origin is not for the model to say.
_own_fields: Final = frozenset(
    {"id", "source", "status", "version", "created_at", "weight", "metrics", "custom_metrics"}
    | {"cluster_id", "attachments"}
)
_example_fields: Final = ("input", "expected_output", "context", "choices", "tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSpec:
    """What cases are wanted.

    Attributes:
        text: For the model, in any words.
        case_schema: JSON Schema that every case must satisfy beside that of cases; None for none.
        examples: Cases to learn the form from; up to 5 of them are shown.
        threshold: Least Jaccard index of near duplicates.
        max_rounds: Most calls; None for ``2 + 3 * ceil(count / 20)``.

    Raises:
        ConfigError: ``bad_option``, the text is empty or there is no round.
        SpecError: ``invalid_schema``, the schema is none.
    """

    text: str
    case_schema: Mapping[str, Json] | None = None
    examples: Sequence[Case] = ()
    threshold: float = default_threshold
    max_rounds: int | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ConfigError("the specification of the cases is empty", code="bad_option")
        if self.max_rounds is not None and self.max_rounds < 1:
            raise ConfigError("max_rounds must be at least 1", code="bad_option")
        if not 0 < self.threshold <= 1:
            raise ConfigError("threshold must be above 0 and at most 1", code="bad_option")
        if self.case_schema is not None:
            require_schema(self.case_schema)

    def rounds(self, count: int) -> int:
        """Most calls for this many cases."""
        return self.max_rounds or 2 + 3 * math.ceil(count / most_per_batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The model that writes, and what it may use.

    Attributes:
        seed: Chooses the examples, and is part of what makes a reply another one.
        created_at: RFC 3339, of the cases.
    """

    client: LlmClient
    log: CallLog
    ledger: Ledger
    provider: str
    model: str
    base_url: str = ""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    seed: int = 0
    created_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The cases that were written.

    Attributes:
        cases: Valid and unique, sorted by id; never more than were asked for.
        wanted: How many were asked for.
        counts: ``rounds proposed invalid duplicates near_duplicates surplus unusable_replies``.
        invalid: Why drafts were no cases.
        stopped_by: Code of what ended the work too early: ``max_rounds``, ``budget_exceeded`` or that of a
            failed call; None when all cases are there.
        message: The same in words.
    """

    cases: tuple[Case, ...]
    wanted: int
    counts: Mapping[str, int]
    invalid: tuple[str, ...] = ()
    stopped_by: str | None = None
    message: str = ""
    cost_nanousd: int = 0

    @property
    def is_complete(self) -> bool:
        """Are there as many cases as were asked for?"""
        return len(self.cases) == self.wanted


async def generate_cases(spec: CaseSpec, count: int, *, suite: Suite, author: Author) -> Generated:
    """``count`` new cases for a suite, or fewer and the reason.

    Raises:
        ConfigError: ``out_of_range``, fewer than one case; the provider is not configured.
    """
    if count < 1:
        raise ConfigError(f"at least 1 case must be asked for, got {count}", code="out_of_range")
    work = _Work(spec, count, suite, author)
    reason: tuple[str, str] | None = None
    for number in range(spec.rounds(count)):
        if work.is_done:
            break
        try:
            await work.round(number)
        except (BudgetExceeded, ProviderError) as exc:
            reason = (exc.code, exc.message)
            break
    if not work.is_done and reason is None:
        rounds = work.counts["rounds"]
        reason = ("max_rounds", f"{rounds} rounds gave no more that is valid and new")
    code, message = reason or (None, "")
    return Generated(
        cases=tuple(sorted(work.cases, key=lambda case: case.id)),
        wanted=count,
        counts={name: work.counts[name] for name in _counted},
        invalid=tuple(work.invalid[:_shown]),
        stopped_by=code,
        message=message,
        cost_nanousd=author.ledger.spent.nanousd,
    )


_counted: Final = (
    *("rounds", "proposed", "invalid", "duplicates", "near_duplicates", "surplus"),
    "unusable_replies",
)


class _Work:
    """The cases so far, and what the next round asks for."""

    def __init__(self, spec: CaseSpec, count: int, suite: Suite, author: Author) -> None:
        self.cases: list[Case] = []
        self.counts: Counter[str] = Counter()
        self.invalid: list[str] = []
        self._spec = spec
        self._count = count
        self._suite = suite
        self._author = author
        self._batch = most_per_batch
        self._last: list[Json] = []
        known = Suite(id="examples", cases=spec.examples or suite.cases)
        self._examples = (
            sample(known, most_examples, seed=author.seed).suite.cases if known.cases else ()
        )
        self._schema = _reply_schema(spec, self._examples)

    @property
    def is_done(self) -> bool:
        return len(self.cases) >= self._count

    async def round(self, number: int) -> None:
        """Ask once, and keep what is valid and new."""
        size = min(self._batch, self._count - len(self.cases))
        author = self._author
        prompt = self._prompt(size)
        request = Request(
            provider=author.provider,
            model=author.model,
            base_url=author.base_url,
            messages=(Message(role="user", text=prompt),),
            schema=self._schema,
            max_tokens=most_tokens,
            repeat=author.seed * _repeats_apart + number,
            origin=Origin(path="generate", step_type="generator", role="generator"),
        )
        self.counts["rounds"] += 1
        reply = await author.client.call(
            request, log=author.log, ledger=author.ledger, retry=author.retry, cache="use"
        )
        drafts = _drafts(data_of(reply.response.text))
        if drafts is None:
            self.counts["unusable_replies"] += 1
            self._batch = max(1, self._batch // 2)
            return
        self._last = [draft.get("input") for draft in drafts if isinstance(draft, Mapping)]
        served = reply.response.model_served or author.model
        source = {
            "generator": generator_name,
            "model": served,
            "prompt_sha256": digest_bytes(prompt.encode("utf-8", "surrogatepass")),
            "seed": author.seed,
        }
        found = [self._case(draft, source) for draft in drafts]
        self._keep([case for case in found if case is not None])

    def _keep(self, cases: Sequence[Case]) -> None:
        """Keep those that ask something new, as many as are still wanted."""
        known = [*self._suite.cases, *self.cases]
        new = distinct(
            cases,
            known=known,
            hash_metadata=self._suite.hash_metadata,
            threshold=self._spec.threshold,
        )
        self.counts["duplicates"] += sum(len(group.others) for group in new.exact)
        self.counts["near_duplicates"] += sum(len(group.others) for group in new.near)
        order = {case.id: place for place, case in reversed([*enumerate(cases)])}
        room = self._count - len(self.cases)
        fresh = sorted(new.cases, key=lambda case: order[case.id])
        self.counts["surplus"] += max(0, len(fresh) - room)
        self.cases += fresh[:room]

    def _case(self, draft: Json, source: Mapping[str, Json]) -> Case | None:
        self.counts["proposed"] += 1
        case, problems = _read(draft, self._spec.case_schema)
        if case is None:
            self.counts["invalid"] += 1
            self.invalid.append("; ".join(problems))
            return None
        if case.expected_output is not None:
            source = {**source, "reference": "synthetic"}
        made = replace(
            case,
            source=source,
            created_at=self._author.created_at,
            tags=tuple(sorted({*case.tags, "synthetic"})),
        )
        found = hashes(made, hash_metadata=self._suite.hash_metadata)
        return replace(made, id=f"syn_{short(found.input_hash)}")

    def _prompt(self, size: int) -> str:
        parts = [
            f"Write {size} test cases to this specification:",
            self._spec.text.strip(),
            _form,
        ]
        if self._spec.case_schema is not None:
            schema = compact(dict(self._spec.case_schema))
            parts.append(f"Every case must satisfy this JSON Schema:\n{schema}")
        if self._examples:
            shown = [_shown_example(case) for case in self._examples]
            parts.append("Examples of the form, not to be repeated:\n" + "\n".join(shown))
        if self._last:
            written = "\n".join(compact(one) for one in self._last)
            parts.append(f"These were written already, so write others:\n{written}")
        return "\n\n".join(parts)


def _drafts(reply: Json) -> list[Json] | None:
    """The drafts in a reply: a list, or an object with the list; None for anything else."""
    found = reply.get("cases") if isinstance(reply, Mapping) else reply
    return found if isinstance(found, list) else None


def _read(draft: Json, schema: Mapping[str, Json] | None) -> tuple[Case | None, list[str]]:
    """The case of a draft, or what is wrong with it."""
    if not isinstance(draft, Mapping):
        return None, ["a case is a map"]
    data = {name: value for name, value in draft.items() if name not in _own_fields}
    if schema is not None:
        wrong = check_schema(dict(draft), schema)
        if wrong:
            return None, [f"{pointer or '(whole)'}: {message}" for pointer, message in wrong]
    case, findings = read_case({**data, "id": "x"}, path="")
    if case is None:
        return None, [finding.message for finding in findings]
    if case.input in ({}, []) or (isinstance(case.input, str) and not case.input.strip()):
        return None, ["the input is empty"]
    return case, []


def _shown_example(case: Case) -> str:
    data = case_data(case)
    return compact({name: data[name] for name in _example_fields if name in data})


def _reply_schema(spec: CaseSpec, examples: Sequence[Case]) -> dict[str, Json]:
    """What the provider is told of a reply; single cases are checked here, so that one bad one costs one."""
    item = spec.case_schema or _plain_schema(examples)
    return {
        "type": "object",
        "properties": {"cases": {"type": "array", "items": dict(item)}},
        "required": ["cases"],
        "additionalProperties": False,
    }


def _plain_schema(examples: Sequence[Case]) -> dict[str, Json]:
    """An input and a reference as text, or in whatever form the examples have them."""
    inputs_are_text = all(isinstance(case.input, str) for case in examples)
    known = [case.expected_output for case in examples if case.expected_output is not None]
    answers_are_text = all(isinstance(one, str) for one in known)
    return {
        "type": "object",
        "properties": {
            "input": {"type": "string"} if inputs_are_text else {},
            "expected_output": {"type": "string"} if answers_are_text else {},
        },
        "required": ["input"],
    }
