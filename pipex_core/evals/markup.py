"""HTML and SVG as values: what is text can never become a tag, an attribute or an order to the reader's eye.

Only ``element`` makes markup, and it escapes every text it is given. Signs that a browser acts upon
without showing them (control characters, changes of direction, line separators, halves of characters)
are written out, such as ``⟨U+202E⟩``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_unseen: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_without_end: Final = frozenset({"meta", "hr", "br"})


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is markup already."""

    text: str


Child = str | Markup


def element(name: str, /, *children: Child, **attributes: str) -> Markup:
    """An element with its children in order.

    Args:
        name: Of the element; from this code, never from data.
        children: Texts, which are escaped, and markup.
        attributes: Values are escaped. ``aria_label`` is ``aria-label``, ``class_`` is ``class``.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
    )
    if name in _without_end:
        return Markup(f"<{name}{given}>")
    inner = "".join(c.text if isinstance(c, Markup) else escaped(c) for c in children)
    return Markup(f"<{name}{given}>{inner}</{name}>")


def joined(parts: Iterable[Child], *, between: str = "") -> Markup:
    """The parts one after the other."""
    texts = (part.text if isinstance(part, Markup) else escaped(part) for part in parts)
    return Markup(escaped(between).join(texts))


def escaped(text: str) -> str:
    """Text for an element or for an attribute in either kind of quotes."""
    shown = visible(text)
    for sign, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot"), ("'", "#39")):
        shown = shown.replace(sign, f"&{entity};")
    return shown


def visible(text: str) -> str:
    """The text with signs that act without being seen written out; line ends and tabs stay."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return _unseen.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", unified)
