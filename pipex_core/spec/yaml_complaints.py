"""What the YAML parser says, in words for somebody who wrote a pipeline file."""

from typing import Any, Final

from pipex_core.spec.yaml_tree import line_end

bare_braces: Final = "'{{' without quotes around the text starts a map; put the text in quotes"

# Part of a parser's problem -> what helps. The usual slips, found by making them.
_advice: Final = {
    "mapping values are not allowed": "put a text that holds ': ' in quotes, and check the indent",
    "did not find expected '-' indicator": "an item of a list is indented less than its first line",
    "unexpected end of stream": "a quote is not closed",
    "did not find expected ',' or '}'": "a '{' is not closed, or a comma is missing",
    "did not find expected ',' or ']'": "a '[' is not closed, or a comma is missing",
    "did not find expected key": "check quotes and indent here",
    "could not find expected ':'": "a key is not followed by ': '",
}


def complaint(
    exc: Any,  # noqa: ANN401 - a MarkedYAMLError; PyYAML has no types for its marks
    text: str,
) -> str:
    """The parser's own words, where the thing that it was reading starts, and what helps."""
    problem = str(exc.problem or exc.context)
    if "cannot start any token" in problem:
        return _about_sign(exc.problem_mark, text)
    message = problem
    if exc.problem and exc.context and exc.context_mark:
        message += f" {exc.context} that starts in line {exc.context_mark.line + 1}"
    advice = next((words for part, words in _advice.items() if part in problem), None)
    return f"{message}; {advice}" if advice else message


def _about_sign(
    mark: Any,  # noqa: ANN401 - see above
    text: str,
) -> str:
    sign = line_end.split(text)[mark.line][mark.column :][:1]
    if sign == "\t":
        return "a tab cannot indent; use spaces"
    return f"no value starts with {sign!r}; put the text in quotes"
