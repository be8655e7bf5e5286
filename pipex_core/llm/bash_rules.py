"""Commands that are refused before they are run: a guard-rail against accidents, not a boundary.

The boundary is where the command runs: an environment of its own, without network, in the workspace.
"""

import re
from collections.abc import Sequence

from pipex_core.errors import ExpressionError
from pipex_core.expressions.patterns import compiled

search_s = 0.5
built_in = (
    r"\brm\s+(-\S+\s+)*(-[a-zA-Z]*[rR]\S*|--recursive)\s+(-\S+\s+)*[\"']?(/|~|\$\{?HOME)",
    r"\bsudo\b",
    r"\bchmod\s+(-\S+\s+)*[0-7]?777\b",
)


def refusal(command: str, patterns: Sequence[str] = ()) -> str | None:
    """Why a command is refused, or None.

    Args:
        command: As the model wrote it.
        patterns: Of the workflow, beside the built-in ones: regular expressions that may not occur. One that
            is none is looked for as it stands.
    """
    # Blanks and line ends that the shell would join are no disguise.
    plain = re.sub(r"\\\n|\s+", " ", command)
    for pattern in (*built_in, *patterns):
        if _occurs(pattern, plain):
            return f"the command matches the denied pattern {pattern!r}"
    return None


def _occurs(pattern: str, text: str) -> bool:
    try:
        found = compiled(pattern)
    except ExpressionError:
        found = None
    if found is None:
        return pattern in text
    try:
        return found.search(text, timeout=search_s) is not None
    except TimeoutError:
        return True  # what cannot be told is not allowed
