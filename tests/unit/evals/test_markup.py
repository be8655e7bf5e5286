"""Markup: a text is never more than text."""

from pipex_core.evals.markup import Markup, element, escaped, joined, visible


def test_texts_and_attributes_are_escaped_and_markup_is_not_escaped_twice() -> None:
    inner = element("b", "a < b & c")
    assert inner.text == "<b>a &lt; b &amp; c</b>"
    made = element("p", inner, '"x"\'', title="\"><script>'", class_="c", aria_label="l")
    assert made.text == (
        '<p title="&quot;&gt;&lt;script&gt;&#39;" class="c" aria-label="l">'
        "<b>a &lt; b &amp; c</b>&quot;x&quot;&#39;</p>"
    )


def test_an_element_without_content_has_no_end() -> None:
    assert element("meta", charset="utf-8").text == '<meta charset="utf-8">'


def test_parts_are_joined_with_an_escaped_text_between() -> None:
    assert joined([Markup("<i>a</i>"), "<"], between=" & ").text == "<i>a</i> &amp; &lt;"


def test_signs_that_act_unseen_are_written_out() -> None:
    assert visible("a\x00\x1b\u2028\u202e\ud800\u0085b") == (
        "a⟨U+0000⟩⟨U+001B⟩⟨U+2028⟩⟨U+202E⟩⟨U+D800⟩⟨U+0085⟩b"
    )
    assert escaped("x\r\ny\rz\tü 漢 👩\u200d🔬") == "x\ny\nz\tü 漢 👩\u200d🔬"
