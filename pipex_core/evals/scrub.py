"""Takes personal data out of cases and records before anything is written.

Numbering is stable inside one value (a case, a record): the same address is ``[EMAIL_1]`` wherever it
occurs in it, and the next address ``[EMAIL_2]``, so that a text still makes sense. Another case begins
anew, so that nobody can be followed from case to case; who needs that uses the keyed hash.
"""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pipex_core.errors import ConfigError
from pipex_core.evals.personal import Detector, Span, find_personal
from pipex_core.evals.suite import Case
from pipex_core.expressions.patterns import complaint
from pipex_core.jsonvalue import Json

ScrubMode = Literal["redact", "hash", "drop"]
# The fields of a case that hold what people wrote. Ids, hashes and times are made by programs.
scrubbed_fields: Final = (
    "name", "input", "expected_output", "metadata", "tags", "context", "choices", "expected_tools",
)  # fmt: skip
_name: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """A value without personal data.

    Attributes:
        counts: Places per kind, such as ``{"EMAIL": 2}``; empty when there was nothing.
    """

    value: Json
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubbedCase:
    """A case without personal data, and how much was taken out per kind."""

    case: Case
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubber:
    """What is looked for, and what stands in its place.

    Attributes:
        mode: ``redact`` writes ``[EMAIL_1]``; ``hash`` writes ``[EMAIL_<12 hexadecimal digits>]``, the
            same for the same value everywhere; ``drop`` leaves nothing.
        key: Of the hash; without a key anybody could try all phone numbers.
        patterns: Regular expressions of further kinds by name, which is upper-cased in the text.
        recognise: Entity recogniser: text to spans with kinds such as ``PERSON``.

    Raises:
        ConfigError: ``bad_option``, a hash without key, a kind whose name is no word, or a pattern
            that is none.
    """

    mode: ScrubMode = "redact"
    key: bytes = field(default=b"", repr=False)
    patterns: Mapping[str, str] = field(default_factory=dict)
    recognise: Detector | None = None

    def __post_init__(self) -> None:
        if self.mode == "hash" and not self.key:
            message = "personal data is hashed with a key only"
            raise ConfigError(message, code="bad_option", next_step="give the scrubber a key")
        wrong = next((name for name in self.patterns if not _name.fullmatch(name)), None)
        if wrong is not None:
            message = f"{wrong!r} is no name for a kind of personal data: letters, digits and _"
            raise ConfigError(message, code="bad_option")
        for name, pattern in self.patterns.items():
            wrong_pattern = complaint(pattern)
            if wrong_pattern is not None:
                message = f"the pattern for {name}: {wrong_pattern.message}"
                raise ConfigError(message, code="bad_option")

    def text(self, text: str) -> str:
        """One text by itself."""
        return _Pass(self).text(text)

    def value(self, value: Json) -> Scrubbed:
        """A JSON value with all its texts, keys and long whole numbers; numbered as one case."""
        state = _Pass(self)
        return Scrubbed(value=state.value(value), counts=dict(sorted(state.counts.items())))

    def case(self, case: Case) -> ScrubbedCase:
        """A case: everything people wrote in it, in one numbering; ids and provenance stay."""
        state = _Pass(self)
        found: dict[str, Any] = {name: state.value(getattr(case, name)) for name in scrubbed_fields}
        for name in ("tags", "context", "choices", "expected_tools"):
            if isinstance(getattr(case, name), tuple):
                found[name] = tuple(found[name])
        if state.counts:
            case = replace(case, **{**found, "tags": tuple(sorted(set(found["tags"])))})
        return ScrubbedCase(case=case, counts=dict(sorted(state.counts.items())))

    def kinds(self, value: Json) -> Mapping[str, int]:
        """How much personal data of each kind a value holds; nothing is changed."""
        return self.value(value).counts

    def spans(self, text: str) -> list[Span]:
        """The personal data in a text, in order."""
        return find_personal(text, patterns=self._upper(), recognise=self.recognise)

    def _upper(self) -> Mapping[str, str]:
        return {name.upper(): pattern for name, pattern in self.patterns.items()}


class _Pass:
    """The numbering of one value."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._numbers: dict[str, dict[str, int]] = {}
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        return "".join(self._parts(text))

    def value(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            changed = self.text(str(value))
            return value if changed == str(value) else changed
        if isinstance(value, Mapping):
            return {self.text(key): self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def _parts(self, text: str) -> Iterator[str]:
        at = 0
        write = _writers[self._scrubber.mode]
        for span in self._scrubber.spans(text):
            self.counts[span.kind] += 1
            yield text[at : span.start]
            yield write(self, span.kind, text[span.start : span.end])
            at = span.end
        yield text[at:]

    def redacted(self, kind: str, found: str) -> str:
        numbers = self._numbers.setdefault(kind, {})
        return f"[{kind}_{numbers.setdefault(found.casefold(), len(numbers) + 1)}]"

    def hashed(self, kind: str, found: str) -> str:
        known = found.casefold().encode("utf-8", "surrogatepass")
        return f"[{kind}_{hmac.new(self._scrubber.key, known, 'sha256').hexdigest()[:12]}]"

    def dropped(self, kind: str, found: str) -> str:
        del kind, found
        return ""


_writers: Final[Mapping[ScrubMode, Callable[[_Pass, str, str], str]]] = {
    "redact": _Pass.redacted,
    "hash": _Pass.hashed,
    "drop": _Pass.dropped,
}
