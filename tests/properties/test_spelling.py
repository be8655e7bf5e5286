"""Text -> tree -> text -> the same tree: the grammar of section 5.1, spelled by somebody else than the parser."""

from dataclasses import fields, is_dataclass

from hypothesis import given, settings, strategies as st

from pipex_core.errors import PipexError
from pipex_core.expressions import tree
from pipex_core.expressions.syntax import parse
from pipex_core.jsonvalue import Json
from tests.properties.test_expressions import expressions, tried


def meaning(node: object) -> object:
    """A tree without the places of its nodes; 1, 1.0 and true are different constants."""
    if is_dataclass(node) and not isinstance(node, type):
        kept = (field.name for field in fields(node) if field.name != "position")
        return (type(node).__name__, *(meaning(getattr(node, name)) for name in kept))
    return tuple(map(meaning, node)) if isinstance(node, tuple) else (type(node), node)


def spelled(node: tree.Node) -> str:  # noqa: C901, PLR0911, PLR0912 - one line per kind of node
    """A text of the tree with every operand in parentheses."""
    match node:
        case tree.Constant(value=value):
            return literal(value)
        case tree.Name(name=name):
            return name
        case tree.Item():
            return "@"
        case tree.Previous(step=step):
            return f"previous_response:{step}"
        case tree.ListOf(items=items):
            return f"[{', '.join(map(spelled, items))}]"
        case tree.Call(name="not", arguments=(first, *more)):
            # `-not (a)` calls a function of that name; alone it would negate.
            return f"{within(first)} | not({', '.join(map(spelled, more))})"
        case tree.Call(name=name, arguments=arguments):
            return f"{name}({', '.join(map(spelled, arguments))})"
        case tree.Path(base=base, keys=keys):
            return based(base) + "".join(map(spelled_key, keys))
        case tree.Negate(operand=operand):
            return f"-{within(operand)}"
        case tree.Not(operand=operand):
            return f"not {within(operand)}"
        case tree.Chain(first=first, terms=terms):
            return within(first) + "".join(f"{one.operator}{within(one.operand)}" for one in terms)
        case tree.Compare(relation=relation, left=left, right=right):
            return f"{within(left)} {relation} {within(right)}"
        case tree.Between(operand=operand, low=low, high=high):
            return f"{within(operand)} between {within(low)} and {within(high)}"
        case tree.Presence(word=word, negated=negated, operand=operand):
            return f"{within(operand)} {'not ' * negated}{word}"
        case tree.Logic(word=word, operands=operands):
            return f" {word} ".join(map(within, operands))
        case tree.Choice(condition=condition, then=then, otherwise=otherwise):
            return f"{within(condition)} ? {within(then)} : {within(otherwise)}"


def within(node: tree.Node) -> str:
    return f"({spelled(node)})"


def based(base: tree.Node) -> str:
    """A root stands bare in front of its path."""
    bare = isinstance(base, tree.Name | tree.Item | tree.Previous)
    return spelled(base) if bare else within(base)


def spelled_key(key: tree.Dot | tree.Index) -> str:
    return f".{key.name}" if isinstance(key, tree.Dot) else f"[{spelled(key.key)}]"


def literal(value: Json) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


@given(expressions | st.text(max_size=30).map(lambda text: literal(text) + " == @.x"))
@settings(max_examples=300)
def test_a_tree_that_is_spelled_out_is_read_as_the_same_tree(text: str) -> None:
    first = tried(parse, text)
    if isinstance(first, PipexError):
        assert first.code in {"expression_syntax", "expression_too_complex"}
        return
    assert meaning(parse(spelled(first))) == meaning(first)


def test_the_speller_is_no_parrot() -> None:
    assert spelled(parse("a+1*2 > 3 and not b|abs in [c]")) == (
        "(((a)+((1)*(2))) > (3)) and (not ((abs(b)) in ([c])))"
    )
