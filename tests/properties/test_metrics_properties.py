"""What holds of every text, number and list of words."""

import math

from hypothesis import example, given, settings, strategies as st

from pipex_core.metrics.contract import Scored, Unscored
from pipex_core.metrics.extraction import code_blocks, extracted, read_extract, unfenced
from pipex_core.metrics.numerals import numerals
from pipex_core.metrics.overlap import lcs_length, shared_ngrams, shared_sentences, shared_sequence
from pipex_core.metrics.words import squad_normalized, unicode_words
from tests.fakes.metrics import score

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12)
summaries = st.lists(words, max_size=4)


def table_lcs(left: list[str], right: list[str]) -> int:
    """The textbook table, cell by cell."""
    row = [0] * (len(right) + 1)
    for a in left:
        before = 0
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], before + 1 if a == b else max(row[j], row[j - 1])
    return row[-1]


@given(words, words)
def test_the_bit_parallel_subsequence_has_the_length_of_the_table(
    left: list[str], right: list[str]
) -> None:
    assert lcs_length(left, right) == table_lcs(left, right) == lcs_length(right, left)


@given(words, words)
def test_overlaps_are_shares_and_swap_with_their_texts(left: list[str], right: list[str]) -> None:
    for there, back in (
        (shared_sequence(left, right), shared_sequence(right, left)),
        (shared_ngrams(left, right, n=2), shared_ngrams(right, left, n=2)),
    ):
        assert 0.0 <= there.f_measure <= 1.0
        assert (there.precision, there.recall) == (back.recall, back.precision)


@given(summaries, summaries)
def test_summaries_share_no_more_than_their_words(
    reference: list[list[str]], candidate: list[list[str]]
) -> None:
    found = shared_sentences(reference, candidate)
    flat = (
        [word for line in reference for word in line],
        [word for line in candidate for word in line],
    )
    bag = shared_ngrams(*flat, n=1)
    assert found.precision <= bag.precision
    assert found.recall <= bag.recall


@given(st.floats(min_value=-1e15, max_value=1e15).map(lambda number: round(number, 4)))
def test_a_number_is_read_as_it_is_printed(number: float) -> None:
    printed = [f"{number:,.4f}", f"{number:.4f}", repr(number), f"It is {number:,.4f}."]
    assert {found.value for text in printed for found in numerals(text)} <= {
        number,
        float(f"{number:.4f}"),
    }
    assert all(len(numerals(text)) == 1 for text in printed)


@given(st.text())
def test_reading_numbers_never_fails_and_gives_finite_ones(text: str) -> None:
    assert all(math.isfinite(found.value) for found in numerals(text))


@given(st.text(alphabet="`~ \nab", max_size=60))
@example("```\n```\n```")
def test_fences_never_fail_and_give_parts_of_the_text(text: str) -> None:
    assert unfenced(text) in text
    for _, content in code_blocks(text):
        assert content in text


@given(st.text(max_size=80), st.sampled_from(["code_block", "last_number", "choice"]))
def test_what_is_extracted_from_any_text_is_part_of_it(text: str, kind: str) -> None:
    found = extracted(read_extract({kind: True}), text, choices=("a", "b"))
    if found is not None and kind == "code_block":
        assert found.text in text


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = squad_normalized(text)
    assert once == " ".join(once.split())
    assert all(word == word.strip() and word for word in unicode_words(text))


@settings(max_examples=200)
@given(
    st.sampled_from(["exact_match", "token_f1", "fuzzy_match", "levenshtein", "rouge", "rouge2"]),
    st.text(max_size=40),
    st.text(max_size=40),
)
def test_similarities_are_numbers_within_0_and_1_and_1_for_equal_texts(
    kind: str, output: str, reference: str
) -> None:
    found = score(kind, output, reference)
    if isinstance(found, Unscored):
        assert found.code == "not_applicable"
        return
    assert 0.0 <= found.value <= 1.0
    same = score(kind, output, output)
    assert isinstance(same, Unscored) or same.value == 1.0 or kind == "rouge2"


@given(st.text(max_size=40), st.text(max_size=40))
def test_contains_agrees_with_python_on_texts_that_are_normal(output: str, reference: str) -> None:
    raw = {"type": "contains", "normalize": "none"}
    found = score(raw, output, reference)
    if isinstance(found, Scored):
        assert found.value == float(reference in output)
    else:
        assert reference == ""
