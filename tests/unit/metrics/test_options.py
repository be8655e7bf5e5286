"""Options are checked by name, kind and choice, and completed so that equal meanings are equal."""

import pytest

from pipex_core.jsonvalue import Json
from pipex_core.metrics.contract import OptionInfo
from pipex_core.metrics.options import BadOption, completed

known = {
    "n_gram": OptionInfo(kind="int", default=4, least=1, aliases=("max_ngram_order",)),
    "rel_tol": OptionInfo(kind="float", default=0.5, least=0.0),
    "strip": OptionInfo(kind="bool", default=True),
    "kind": OptionInfo(kind="str|list", default="l", choices=("l", "n"), synonyms={"rouge-l": "l"}),
    "fields": OptionInfo(kind="map"),
}


def test_defaults_complete_what_is_not_given() -> None:
    done = completed({"n_gram": 2}, known)
    assert done.options == {
        "n_gram": 2,
        "rel_tol": 0.5,
        "strip": True,
        "kind": "l",
        "fields": None,
    }
    assert done.wrong == ()


def test_aliases_and_synonyms_lead_to_one_spelling() -> None:
    plain = completed({"n_gram": 2, "kind": ["l", "n"]}, known)
    other = completed({"kind": ("rouge-l", "n"), "max_ngram_order": 2}, known)
    assert plain == other
    assert list(plain.options) == list(known)


def test_a_whole_number_serves_as_float_and_is_one() -> None:
    given = completed({"rel_tol": 1}, known).options["rel_tol"]
    assert (type(given), given) == (float, 1.0)


def test_null_means_unset() -> None:
    assert completed({"n_gram": None}, known).options["n_gram"] == 4


@pytest.mark.parametrize(
    ("option", "given", "message"),
    [
        ("strip", 1, "option 'strip' must be bool, not integer"),
        ("n_gram", True, "option 'n_gram' must be int, not boolean"),
        ("n_gram", 2.0, "option 'n_gram' must be int, not number"),
        ("n_gram", 0, "option 'n_gram' must be at least 1"),
        ("rel_tol", float("nan"), "option 'rel_tol' must be at least 0"),
        ("kind", 3, "option 'kind' must be str or list, not integer"),
        ("kind", ["l", 3], "option 'kind' must be a list of texts"),
        ("fields", "x", "option 'fields' must be map, not string"),
    ],
)
def test_a_wrong_value_is_named(option: str, given: Json, message: str) -> None:
    assert completed({option: given}, known).wrong == (BadOption(option, message),)


def test_an_unlisted_choice_is_answered_with_the_nearest_one() -> None:
    (wrong,) = completed({"kind": "rouge_l"}, known).wrong
    assert wrong.message == "option 'kind' is 'rouge_l'; allowed: l, n"
    assert wrong.suggestion == "rouge-l"
    assert [bad.option for bad in completed({"kind": ["x", "y"]}, known).wrong] == ["kind", "kind"]


def test_an_unknown_option_is_answered_with_the_nearest_word() -> None:
    (wrong,) = completed({"ngram": 2}, known).wrong
    assert wrong.suggestion == "n_gram"
    assert "the options are: fields, kind, n_gram, rel_tol, strip" in wrong.message
    (lost,) = completed({"colour": 2}, {}).wrong
    assert lost == BadOption("colour", "unknown option 'colour'; the options are: none")


def test_an_option_given_by_two_names_is_refused() -> None:
    (wrong,) = completed({"n_gram": 2, "max_ngram_order": 3}, known).wrong
    assert wrong.message == "option 'n_gram' is given twice"


def test_a_required_option_must_be_there() -> None:
    (wrong,) = completed({}, {"pattern": OptionInfo(kind="str", required=True)}).wrong
    assert wrong == BadOption("pattern", "option 'pattern' is required")
