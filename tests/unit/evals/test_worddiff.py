"""Which words went and which came."""

from pipex_core.evals.worddiff import Piece, most_words, word_diff


def kept(text: str) -> Piece:
    return Piece(text=text, is_changed=False)


def changed(text: str) -> Piece:
    return Piece(text=text, is_changed=True)


def test_a_changed_word_is_marked_on_both_sides() -> None:
    both = word_diff("the red fox", "the brown fox")
    assert both.before == [kept("the "), changed("red"), kept(" fox")]
    assert both.now == [kept("the "), changed("brown"), kept(" fox")]


def test_what_was_added_is_marked_on_its_side_only() -> None:
    both = word_diff("yes", "yes!")
    assert (both.before, both.now) == ([kept("yes")], [kept("yes"), changed("!")])


def test_equal_texts_have_no_change_and_empty_ones_no_pieces() -> None:
    assert word_diff("a b", "a b").now == [kept("a b")]
    assert word_diff("", "").before == []
    assert word_diff("", "x").now == [changed("x")]


def test_the_pieces_joined_are_the_text() -> None:
    texts = ("a  b\n\tc, d.", "a b\nc; ü 漢字 d")
    both = word_diff(*texts)
    assert "".join(piece.text for piece in both.before) == texts[0]
    assert "".join(piece.text for piece in both.now) == texts[1]


def test_very_long_texts_are_one_change() -> None:
    long = "a " * most_words
    assert word_diff(long, "b").before == [changed(long)]
    assert word_diff(long, long).now == [kept(long)]
