"""Names in Dagster: safe, unique, and the same ones tomorrow."""

import dagster as dg
import pytest
from hypothesis import given, strategies as st

from pipex_core.errors import (
    ConfigError,
    PipexError,
    Problem,
    RateLimited,
    SpecError,
    StepError,
    StoreError,
)
from pipex_dagster.translator import (
    PipexTranslator,
    SuiteAsset,
    failure_of,
    is_worth_a_retry,
    job_name,
    longest_partition,
    op_name,
    partition_of,
    slug,
    slugs,
    target_of,
    what_to_do,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("docs_qa", "docs_qa"),
        ("gsm8k-v1.2", "gsm8k_v1_2"),
        ("größe", "gr__e"),
        ("output", "output_"),
        ("class", "class_"),
        ("", "_"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_slug_is_the_name_with_underscores_for_what_dagster_refuses(
    name: str, expected: str
) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize("word", ["output", "context", "type", "None", "yield", "9x", "ö", "a-b"])
def test_dagster_takes_every_slug_as_the_name_of_an_op(word: str) -> None:
    op = dg.OpDefinition(compute_fn=lambda: None, name=op_name("p", word))
    assert op.alias(slug(word)).node_def.name == f"pl__p__{slug(word)}"


def test_names_that_would_clash_get_different_slugs_whatever_their_order() -> None:
    names = ["a_b", "a-b", "a.b", "c"]
    found = slugs(names)
    assert found == slugs(reversed(names))
    assert found["a_b"] == "a_b"
    assert found["c"] == "c"
    assert len(set(found.values())) == 4
    assert found["a-b"].startswith("a_b_")


def test_a_cut_name_keeps_what_tells_it_apart() -> None:
    long = ["x" * 120 + "1", "x" * 120 + "2"]
    assert len(set(slugs(long).values())) == 2


def test_jobs_and_ops_are_named_after_pipeline_and_step() -> None:
    assert job_name("triage-rules") == "plg__triage_rules"
    assert op_name("triage_rules", "queue") == "pl__triage_rules__queue"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("claude-sonnet-4.5@2025", "claude-sonnet-4.5@2025"),
        ("org/model", "org%2Fmodel"),
        ("a...b", "a%2E%2E%2Eb"),
        ("größer als", "gr%C3%B6%C3%9Fer%20als"),
        ("100%", "100%25"),
        ("~home", "%7Ehome"),
        ("..", "%2E%2E"),
    ],
)
def test_a_partition_is_the_target_with_unsafe_characters_encoded(
    target: str, expected: str
) -> None:
    assert partition_of(target) == expected
    assert target_of(expected) == target


@given(
    st.text(min_size=1, max_size=13).filter(
        lambda t: t.encode(errors="replace") == t.encode("utf-8", "surrogatepass")
    )
)
def test_every_target_is_found_again_from_its_partition(target: str) -> None:
    key = partition_of(target)
    assert target_of(key) == target
    assert "..." not in key
    assert key.strip(".")
    assert set(key) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-%")


@pytest.mark.parametrize("target", ["", "x" * (longest_partition + 1), "ö" * 21])
def test_a_target_without_a_usable_partition_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="partition key"):
        partition_of(target)


def test_an_asset_stands_in_the_group_of_its_suite_with_its_layer_last() -> None:
    spec = PipexTranslator().get_asset_spec(
        SuiteAsset(suite_id="docs-qa", layer="scores", title="Docs", code_version="f00")
    )
    assert spec.key == dg.AssetKey(["docs_qa", "scores"])
    assert spec.group_name == "docs_qa"
    assert spec.code_version == "f00"
    assert spec.tags["pipex/layer"] == "scores"
    assert spec.metadata["pipex/suite_name"] == "Docs"


def test_the_description_of_the_suite_comes_before_what_the_layer_is() -> None:
    spec = PipexTranslator().get_asset_spec(
        SuiteAsset(suite_id="s", layer="suite", title="S", description="Hard questions.")
    )
    assert spec.description is not None
    assert spec.description.startswith("Hard questions.\n\nThe cases")


def test_a_failure_names_the_code_and_is_never_retried_by_dagster() -> None:
    error = RateLimited("too fast", provider="anthropic", model="m", status=429)
    failure = failure_of(error)
    assert failure.description == "rate_limit: too fast"
    assert failure.allow_retries is False
    assert failure.metadata["code"] == dg.TextMetadataValue("rate_limit")
    assert failure.metadata["http_status"] == dg.IntMetadataValue(429)


def test_a_failure_without_an_answer_has_no_status() -> None:
    assert "http_status" not in failure_of(RateLimited("too fast")).metadata


def test_a_failure_says_what_to_do_next() -> None:
    failure = failure_of(ConfigError("no key", next_step="set ANTHROPIC_API_KEY"))
    assert failure.metadata["next"] == dg.TextMetadataValue("set ANTHROPIC_API_KEY")


def test_a_failure_lists_every_problem_of_a_file() -> None:
    error = SpecError(
        [
            Problem(code="unknown_field", message="no field 'a'", file="p.yaml", line=3, column=5),
            Problem(code="wrong_type", message="b is no map", file="p.yaml", line=9, column=1),
        ]
    )
    shown = failure_of(error).metadata["problems"].value
    assert isinstance(shown, str)
    assert shown.splitlines() == [
        "- `p.yaml:3:5: error: no field 'a' [unknown_field]`",
        "- `p.yaml:9:1: error: b is no map [wrong_type]`",
    ]


def test_only_the_store_and_a_dead_worker_are_worth_another_attempt() -> None:
    assert is_worth_a_retry(StoreError("disk"))
    assert is_worth_a_retry(StepError("killed", code="worker_died"))
    assert not is_worth_a_retry(StoreError("lost", code="journal_damaged"))
    assert not is_worth_a_retry(RateLimited("later"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigError("no key", next_step="set the key"), "set the key"),
        (ConfigError("no key"), "Mend the cause"),
        (SpecError([]), "Mend the file"),
        (RateLimited("too fast"), "The service may answer later."),
        (StepError("no", code="budget_exceeded"), "Raise `budget`"),
        (StepError("no", code="echo_failed"), "Mend the cause"),
    ],
)
def test_every_failure_says_what_can_be_done(error: PipexError, said: str) -> None:
    assert what_to_do(error).startswith(said)
    shown = failure_of(error).metadata["next"].value
    assert isinstance(shown, str)
    assert shown.startswith(said)
