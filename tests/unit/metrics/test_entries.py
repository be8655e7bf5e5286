"""Metric entries: every way to write one, everything that can be wrong, and what a fingerprint covers."""

from collections.abc import Mapping

import pytest

from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.jsonvalue import Json
from pipex_core.metrics.catalogue import ALIASES, METRICS, built_in
from pipex_core.metrics.contract import MetricInfo, MetricInput, MetricType, Score, Scored
from pipex_core.metrics.entries import resolve_entries
from pipex_core.registry import Registry
from tests.fakes.metrics import entry_of


def problems(*raw: Json, where: str = "metrics") -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        resolve_entries(list(raw), built_in(), where=where)
    return list(caught.value.problems)


class Plain:
    """A metric of a plug-in, without options."""

    info = MetricInfo(name="plain", summary="always 1")

    def score(self, item: MetricInput) -> Score:
        return Scored(value=float(item.output is not None))


class NeedsLibrary(Plain):
    """A metric whose library is not installed."""

    info = MetricInfo(name="needs_library", summary="cannot be made")

    def __init__(self) -> None:
        import a_library_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401 - the point


class OfNowhere(Plain):
    """A metric that names a distribution that is not installed."""

    info = MetricInfo(name="of_nowhere", summary="cannot be named", libraries=("no-such-dist",))


def test_a_name_alone_takes_the_defaults_of_the_metric() -> None:
    entry = entry_of("exact_match")
    assert (entry.name, entry.type, entry.threshold, entry.required) == (
        "exact_match",
        "exact_match",
        1.0,
        True,
    )
    assert entry.options["strip"] is True


@pytest.mark.parametrize(
    ("raw", "name", "threshold"),
    [
        ("fuzzy_match:0.9", "fuzzy_match", 0.9),
        ("bleu:0", "bleu", 0.0),
        ("f1:.25", "token_f1", 0.25),
    ],
)
def test_a_name_may_carry_a_threshold(raw: str, name: str, threshold: float) -> None:
    entry = entry_of(raw)
    assert (entry.name, entry.threshold) == (name, threshold)


def test_options_stand_in_opts_or_directly() -> None:
    direct = entry_of({"type": "exact_match", "ignore_case": True})
    apart = entry_of({"type": "exact_match", "opts": {"ignore_case": True}})
    assert direct.options == apart.options
    assert direct.fingerprint == apart.fingerprint


def test_a_full_entry_keeps_all_of_it() -> None:
    raw = {
        "type": "equals",
        "name": "queue",
        "threshold": 0.5,
        "tier": "advisory",
        "weight": 2,
        "negate": True,
        "extract": {"after": "is"},
        "fallback": "fuzzy:0.4",
        "required": False,
        "opts": {"strip": False},
    }
    assert entry_of(raw).document() == {
        "type": "exact_match",
        "name": "queue",
        "threshold": 0.5,
        "tier": "advisory",
        "weight": 2.0,
        "negate": True,
        "extract": {"after": "is", "which": "first"},
        "fallback": entry_of("fuzzy_match:0.4").document(),
        "required": False,
        "opts": {
            "strip": False,
            "ignore_case": False,
            "ignore_punctuation": False,
            "ignore_whitespace": False,
            "regexes_to_ignore": [],
            "normalize": "nfc",
        },
    }


def test_a_document_is_an_entry_again() -> None:
    entry = entry_of({"type": "rouge1", "name": "r", "extract": {"last_number": True}})
    assert entry_of(entry.document()).fingerprint == entry.fingerprint


def test_a_null_threshold_means_that_a_score_decides_nothing() -> None:
    assert entry_of({"type": "exact_match", "threshold": None}).threshold is None


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_an_alias_is_shown_under_the_canonical_name(alias: str) -> None:
    required: Mapping[str, Json] = {
        "regex_match": {"pattern": "x"},
        "criteria": {"criteria": "x"},
        "rubric": {"items": ["x"]},
    }
    entry = entry_of({"type": alias, **required.get(ALIASES[alias].metric, {})})
    assert entry.type == ALIASES[alias].metric
    assert entry.type in METRICS
    assert entry.options.items() >= dict(ALIASES[alias].options).items()


def test_an_alias_that_implies_an_option_names_its_own_column() -> None:
    entries = resolve_entries(["rouge-1", "rougeL", "rouge", "contains", "icontains"], built_in())
    assert [entry.name for entry in entries] == [
        "rouge1",
        "rougeL",
        "rouge",
        "contains",
        "icontains",
    ]


def test_an_entry_may_contradict_what_its_alias_implies() -> None:
    assert entry_of({"type": "icontains", "ignore_case": False}).options["ignore_case"] is False


def test_an_unknown_metric_is_answered_with_the_nearest_word() -> None:
    assert problems("exact_mach", where="defaults.metrics") == [
        Problem(
            code="unknown_metric",
            message="unknown metric 'exact_mach'",
            path="defaults.metrics[0]",
            suggestion="exact_match",
        )
    ]
    assert problems("zzzzzz")[0].suggestion is None


def test_the_word_after_a_colon_that_is_no_number_belongs_to_the_name() -> None:
    (problem,) = problems("python:mine:score")
    assert problem.message == "unknown metric 'python:mine:score'"


def test_two_metrics_of_one_name_are_refused_at_the_second() -> None:
    (problem,) = problems("bleu", {"type": "bleu", "n_gram": 2})
    assert (problem.code, problem.path) == ("duplicate_metric", "metrics[1]")
    two = resolve_entries(["bleu", {"type": "bleu", "name": "bleu2", "n_gram": 2}], built_in())
    assert [entry.name for entry in two] == ["bleu", "bleu2"]


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (3, "wrong_type", "metrics[0]"),
        ({"name": "exact_match"}, "wrong_type", "metrics[0]"),
        ({"type": 3}, "wrong_type", "metrics[0]"),
        ({"type": "bleu", "opts": ["n_gram"]}, "wrong_type", "metrics[0].opts"),
        ({"type": "bleu", "threshold": "high"}, "wrong_type", "metrics[0].threshold"),
        ({"type": "bleu", "threshold": True}, "wrong_type", "metrics[0].threshold"),
        ({"type": "bleu", "threshold": 80}, "bad_option", "metrics[0].threshold"),
        ({"type": "output_length", "threshold": 3}, "bad_option", "metrics[0].threshold"),
        ({"type": "bleu", "weight": 0}, "wrong_type", "metrics[0].weight"),
        ({"type": "bleu", "weight": "2"}, "wrong_type", "metrics[0].weight"),
        ({"type": "bleu", "weight": 10**400}, "wrong_type", "metrics[0].weight"),
        ({"type": "bleu", "required": "yes"}, "wrong_type", "metrics[0].required"),
        ({"type": "bleu", "tier": "crticial"}, "bad_option", "metrics[0].tier"),
        ({"type": "bleu", "name": "two words"}, "bad_option", "metrics[0].name"),
        ({"type": "bleu", "ngram": 2}, "bad_option", "metrics[0].ngram"),
        ({"type": "bleu", "opts": {"ngram": 2}}, "bad_option", "metrics[0].opts.ngram"),
        (
            {"type": "bleu", "n_gram": 2, "opts": {"n_gram": 2}},
            "bad_option",
            "metrics[0].n_gram",
        ),
        ({"type": "latency", "negate": True}, "bad_option", "metrics[0].negate"),
        ({"type": "bleu", "extract": "after"}, "bad_option", "metrics[0].extract"),
        ({"type": "regex", "pattern": "("}, "bad_option", "metrics[0]"),
        ({"type": "bleu", "fallback": "fuzy"}, "unknown_metric", "metrics[0].fallback"),
    ],
)
def test_a_wrong_entry_is_reported_where_it_is_wrong(raw: Json, code: str, path: str) -> None:
    assert [(problem.code, problem.path) for problem in problems(raw)] == [(code, path)]


def test_everything_wrong_is_reported_at_once() -> None:
    found = problems("nothing_like_it", {"type": "bleu", "ngram": 2, "weight": -1}, 7)
    assert [problem.path for problem in found] == [
        "metrics[0]",
        "metrics[1].ngram",
        "metrics[1].weight",
        "metrics[2]",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0.1},
        {"weight": 3},
        {"tier": "critical"},
        {"name": "other"},
        {"required": False},
        {"fallback": "exact"},
        {"n_gram": 4},
    ],
)
def test_what_follows_from_a_score_is_not_in_the_fingerprint(change: dict[str, Json]) -> None:
    assert entry_of({"type": "bleu", **change}).fingerprint == entry_of("bleu").fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"n_gram": 3},
        {"negate": True},
        {"extract": {"after": ":"}},
        {"type": "rouge"},
    ],
)
def test_what_decides_a_number_is_in_the_fingerprint(change: dict[str, Json]) -> None:
    assert entry_of({"type": "bleu", **change}).fingerprint != entry_of("bleu").fingerprint


def test_a_metric_of_a_plug_in_is_found_by_its_own_name() -> None:
    registry: Registry[MetricType] = Registry(
        "metric", {"plain": Plain, "f1": Plain}, aliases={"simple": "plain"}
    )
    named = resolve_entries(["plain", {"type": "simple", "name": "s"}, "f1"], registry)
    assert [(entry.name, entry.type) for entry in named] == [
        ("plain", "plain"),
        ("s", "plain"),
        ("f1", "f1"),
    ]


@pytest.mark.parametrize("name", ["needs_library", "of_nowhere"])
def test_a_missing_library_is_an_error_before_the_run(name: str) -> None:
    registry: Registry[MetricType] = Registry(
        "metric", {"needs_library": NeedsLibrary, "of_nowhere": OfNowhere}
    )
    with pytest.raises(ConfigError) as caught:
        resolve_entries([name], registry)
    assert caught.value.code == "dependency_missing"
