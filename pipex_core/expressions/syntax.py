"""Text of an expression -> tree with positions, within the limits of the language.

The grammar is that of section 5.1 of the pipeline language. Operators of one level that follow one
another form one flat node, so a sum of a thousand terms is no deeper than a sum of two; what nests
is counted, and 64 levels are the end.
"""

from functools import lru_cache
from typing import Final, Literal

from pipex_core.errors import ExpressionError
from pipex_core.expressions.tokens import Token, tokenize
from pipex_core.expressions.tree import (
    Between,
    Call,
    Chain,
    Choice,
    Compare,
    Constant,
    Dot,
    Index,
    Item,
    ListOf,
    Logic,
    Name,
    Negate,
    Node,
    Not,
    Path,
    Presence,
    Previous,
    Relation,
    Term,
)
from pipex_core.expressions.values import Arithmetic, too_complex
from pipex_core.jsonvalue import Json

max_nesting = 64

reserved: Final = frozenset(
    {
        *("and", "or", "not", "in", "between", "exists", "empty"),
        *("contains", "matches", "starts_with", "ends_with"),
    }
)
_constants: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}
_logic: Final[dict[str, Literal["and", "or"]]] = {"and": "and", "&&": "and", "or": "or", "||": "or"}
_tests: Final[dict[str, Literal["exists", "empty"]]] = {"exists": "exists", "empty": "empty"}
_relations: Final[dict[str, Relation]] = {
    "==": "==",
    "!=": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "in": "in",
    "contains": "contains",
    "matches": "matches",
    "starts_with": "starts_with",
    "ends_with": "ends_with",
}
_arithmetic: Final[dict[str, Arithmetic]] = {"+": "+", "-": "-", "*": "*", "/": "/", "%": "%"}
_closing: Final = {"(": ")", "{{": "}}"}

# Levels of binding, loose to tight; `not` stands between `and` and the comparisons.
_or, _and, _comparison, _sum, _product = 1, 2, 4, 5, 6
_negation = 3
_levels: Final = {
    **dict.fromkeys(("or", "||"), _or),
    **dict.fromkeys(("and", "&&"), _and),
    **dict.fromkeys((*_relations, "between", "exists", "empty", "not"), _comparison),
    **dict.fromkeys("+-", _sum),
    **dict.fromkeys("*/%", _product),
}


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The tree of an expression. Trees are immutable and kept for the next call.

    Raises:
        ExpressionError: ``expression_syntax`` or ``expression_too_complex``, with the position.
    """
    if not text.strip():
        raise ExpressionError("an expression is blank")
    try:
        return _Parser(tokenize(text)).whole()
    except RecursionError as exc:
        raise too_complex("an expression nests too deeply") from exc


class _Parser:
    """One pass over the tokens, climbing the levels of binding."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._open_choices = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._token.kind != "end":
            raise self._unexpected()
        return node

    # -- tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _word(self, ahead: int = 0) -> str:
        """The word or sign that stands next, if it may be an operator; else an empty string."""
        token = self._tokens[min(self._at + ahead, len(self._tokens) - 1)]
        return token.text if token.kind in {"sign", "name"} else ""

    def _take(self, word: str) -> bool:
        if self._word() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._unexpected(f", expected {word!r}")

    def _unexpected(self, hint: str = "") -> ExpressionError:
        token = self._token
        what = "end of the expression" if token.kind == "end" else repr(token.text)
        return ExpressionError(f"unexpected {what}{hint}", position=token.position)

    def _count(self, levels: int) -> None:
        if levels > max_nesting:
            error = too_complex(f"an expression nests deeper than {max_nesting} levels")
            error.position = self._token.position
            raise error

    # -- levels, from loose to tight

    def _nested(self) -> Node:
        self._depth += 1
        self._count(self._depth)
        node = self._expression()
        self._depth -= 1
        return node

    def _expression(self) -> Node:
        condition = self._binary(_or)
        position = self._token.position
        if not self._take("?"):
            return condition
        self._open_choices += 1
        then = self._nested()
        self._open_choices -= 1
        self._expect(":")
        return Choice(condition=condition, then=then, otherwise=self._nested(), position=position)

    def _binary(self, floor: int) -> Node:
        """An operand and the operators after it that bind at least as tightly as ``floor``."""
        left = self._prefix(floor)
        ceiling = _product  # comparisons do not chain, so after one only looser operators follow
        while floor <= (level := _levels.get(self._word(), 0)) <= ceiling:
            if level > _comparison:
                left = self._chain(left, level)
            elif level == _comparison:
                left = self._compared(left)
                ceiling = _and
            else:
                left = self._joined(left, level)
        return left

    def _prefix(self, floor: int) -> Node:
        position = self._token.position
        if floor <= _negation and (self._take("not") or self._take("!")):
            self._depth += 1
            self._count(self._depth)
            operand = self._binary(_negation)
            self._depth -= 1
            return Not(operand=operand, position=position)
        return self._unary()

    def _joined(self, left: Node, level: int) -> Node:
        position = self._token.position
        word = _logic[self._word()]
        operands = [left]
        while _levels.get(self._word()) == level:
            self._at += 1
            operands.append(self._binary(level + 1))
        return Logic(word=word, operands=tuple(operands), position=position)

    def _chain(self, left: Node, level: int) -> Node:
        position = self._token.position
        terms: list[Term] = []
        while _levels.get(self._word()) == level:
            sign = self._advance()
            operand = self._binary(level + 1)
            terms.append(
                Term(operator=_arithmetic[sign.text], operand=operand, position=sign.position)
            )
        return Chain(first=left, terms=tuple(terms), position=position)

    def _compared(self, left: Node) -> Node:
        left = self._tested(left)
        position = self._token.position
        word = self._word()
        if word == "not" and self._word(1) == "in":
            self._at += 1
            return Not(operand=self._related(left), position=position)
        if self._take("between"):
            low = self._binary(_sum)
            self._expect("and")
            return Between(operand=left, low=low, high=self._binary(_sum), position=position)
        if word in _relations:
            return self._related(left)
        if word == "not":
            raise self._unexpected()
        return left

    def _related(self, left: Node) -> Node:
        sign = self._advance()
        return Compare(
            relation=_relations[sign.text],
            left=left,
            right=self._binary(_sum),
            position=sign.position,
        )

    def _tested(self, left: Node) -> Node:
        count = 0
        while self._word(1 if self._word() == "not" else 0) in _tests:
            count += 1
            self._count(count)
            position = self._token.position
            negated = self._take("not")
            word = _tests[self._advance().text]
            left = Presence(word=word, negated=negated, operand=left, position=position)
        return left

    def _unary(self) -> Node:
        position = self._token.position
        if not self._take("-"):
            return self._filtered()
        self._depth += 1
        self._count(self._depth)
        operand = self._unary()
        self._depth -= 1
        return Negate(operand=operand, position=position)

    def _filtered(self) -> Node:
        node = self._accessed(self._primary())
        count = 0
        while self._take("|"):
            count += 1
            self._count(count)
            if self._token.kind != "name":
                raise self._unexpected(", expected the name of a function")
            name = self._advance()
            more = self._arguments("(", ")") if self._word() == "(" else ()
            node = Call(name=name.text, arguments=(node, *more), position=name.position)
        return node

    def _accessed(self, base: Node) -> Node:
        keys: list[Dot | Index] = []
        if isinstance(base, Previous):
            keys.extend(self._colon_fields())
        while self._word() in {".", "["}:
            if self._take("."):
                keys.append(self._dot())
            else:
                self._at += 1
                keys.append(Index(key=self._nested()))
                self._expect("]")
        if not keys:
            return base
        return Path(base=base, keys=tuple(keys), position=base.position)

    def _dot(self) -> Dot:
        token = self._token
        if token.kind not in {"name", "digits"}:
            raise self._unexpected(", expected the name of a field")
        self._at += 1
        index = int(token.text) if token.kind == "digits" and len(token.text) < 19 else None  # noqa: PLR2004 - longer ones index no list
        return Dot(name=token.text, index=index)

    def _primary(self) -> Node:
        token = self._token
        match token.kind:
            case "number" | "string":
                self._at += 1
                return Constant(value=token.value, position=token.position)
            case "name":
                return self._named(token)
            case "sign":
                return self._signed(token)
            case _:
                raise self._unexpected()

    def _signed(self, token: Token) -> Node:
        if token.text in _closing:
            self._at += 1
            node = self._nested()
            self._expect(_closing[token.text])
            return node
        if token.text == "[":
            return ListOf(items=self._arguments("[", "]"), position=token.position)
        if token.text == "@":
            self._at += 1
            return Item(position=token.position)
        raise self._unexpected()

    def _named(self, token: Token) -> Node:
        self._at += 1
        if token.text in _constants:
            return Constant(value=_constants[token.text], position=token.position)
        if self._word() == "(":
            arguments = self._arguments("(", ")")
            return Call(name=token.text, arguments=arguments, position=token.position)
        if token.text in reserved:
            self._at -= 1
            raise self._unexpected()
        if token.text == "previous_response" and self._take(":"):
            return Previous(step=self._step_name(), position=token.position)
        return Name(name=token.text, position=token.position)

    def _step_name(self) -> str:
        if self._token.kind != "name":
            raise self._unexpected(", expected the name of a step")
        return self._advance().text

    def _colon_fields(self) -> list[Dot]:
        fields: list[Dot] = []
        while self._word() == ":" and self._tokens[self._at + 1].kind == "name":
            before, colon = self._tokens[self._at - 1], self._token
            if self._open_choices and before.stop != colon.position:
                break  # `c ? previous_response:a : b`: the spaced colon belongs to the choice
            self._at += 1
            fields.append(Dot(name=self._advance().text))
        return fields

    def _arguments(self, opening: str, closing: str) -> tuple[Node, ...]:
        self._expect(opening)
        self._count(self._depth + 1)
        found: list[Node] = []
        if self._take(closing):
            return ()
        while True:
            found.append(self._nested())
            if self._take(closing):
                return tuple(found)
            self._expect(",")
