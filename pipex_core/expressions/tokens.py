"""Text of an expression -> its words, numbers, strings and signs, each with its place."""

import re
from dataclasses import dataclass
from typing import Literal

from pipex_core.errors import ExpressionError
from pipex_core.expressions.values import too_complex
from pipex_core.jsonvalue import Json

max_characters = 10_000

TokenKind = Literal["name", "number", "digits", "string", "sign", "end"]

_token = re.compile(
    r"""\s*(?:
        (?P<name>[^\W\d]\w*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<sign>\{\{|\}\}|\|\||&&|==|!=|>=|<=|[-+*/%<>!?:.,()\[\]|@])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_digits = re.compile(r"\s*(?P<digits>[0-9]+)")
_escape = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\\'\"nt]))")
_plain_escapes = {"n": "\n", "t": "\t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word of an expression.

    Attributes:
        text: As written; of a string without escapes resolved.
        value: Of a number or string, what it means; else None.
        position: 0-based offset of the first character.
    """

    kind: TokenKind
    text: str
    position: int
    value: Json = None

    @property
    def stop(self) -> int:
        """Offset just behind the last character."""
        return self.position + len(self.text)


def tokenize(text: str) -> list[Token]:
    """The tokens of ``text``, an ``end`` token last.

    Raises:
        ExpressionError: ``expression_syntax`` at the character that starts no token;
            ``expression_too_complex``, more than 10 000 characters.
    """
    if len(text) > max_characters:
        raise too_complex(f"an expression of {len(text)} characters; at most {max_characters}")
    tokens: list[Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        # A digit behind a dot is a list index: `a.0.1` holds no number 0.1.
        behind_dot = bool(tokens) and tokens[-1].text == "." and tokens[-1].kind == "sign"
        found = (_digits.match(text, position) if behind_dot else None) or _token.match(
            text, position
        )
        if found is None:
            raise _no_token(text, position)
        tokens.append(_made(found))
        position = found.end()
    return tokens


def _made(found: re.Match[str]) -> Token:
    kind = found.lastgroup
    assert kind is not None  # noqa: S101 - every alternative of the patterns is named
    text = found[kind]
    position = found.start(kind)
    match kind:
        case "number":
            return Token(kind="number", text=text, position=position, value=_number(text, position))
        case "string":
            value = _unescaped(text[1:-1], position)
            return Token(kind="string", text=text, position=position, value=value)
        case "name":
            return Token(kind="name", text=text, position=position)
        case "digits":
            return Token(kind="digits", text=text, position=position)
        case "sign":
            return Token(kind="sign", text=text, position=position)
        case _:
            return Token(kind="end", text="", position=position)


def _no_token(text: str, position: int) -> ExpressionError:
    while text[position].isspace():
        position += 1
    if text[position] in "'\"":
        return ExpressionError("a string without an end", position=position)
    return ExpressionError(f"unexpected character {text[position]!r}", position=position)


def _number(text: str, position: int) -> Json:
    if text.isdigit():
        if len(text) > 4200:  # noqa: PLR2004 - Python refuses to read more than 4300 digits
            error = too_complex("a number of more than 4200 digits")
            error.position = position
            raise error
        return int(text)
    value = float(text)
    if value == float("inf"):
        raise ExpressionError(f"the number {text[:20]} is beyond the floats", position=position)
    return value


def _unescaped(text: str, position: int) -> str:
    if "\\" not in text:
        return text
    made = _escape.sub(_character, text)
    try:
        # Two \u escapes may spell one character outside the basic plane.
        return made.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as exc:
        raise ExpressionError("half of a surrogate pair", position=position) from exc


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _plain_escapes.get(found[2], found[2])
