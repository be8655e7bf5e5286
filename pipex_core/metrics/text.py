"""Judgements of the text of an answer: equality, patterns, choices, shared words."""

from collections import Counter
from collections.abc import Callable, Sequence
from string import ascii_uppercase

from pipex_core.jsonvalue import equal
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
    best,
    hit,
)
from pipex_core.metrics.extraction import (
    answered_json,
    chosen_letter,
    regex_limit_s,
    searcher,
)
from pipex_core.metrics.options import ignore_case_option, normalize_option, strip_option
from pipex_core.metrics.words import (
    normalized,
    squad_normalized,
    squad_words,
    unicode_words,
    without_accents,
    without_punctuation,
)


class ExactMatch:
    """Equal or not; a structured reference is compared as JSON, numbers by value.

    The options apply to text, in this order: Unicode form, strip, ``regexes_to_ignore`` (what they
    match is removed), case, punctuation (all of Unicode and the signs of ``string.punctuation``),
    whitespace, strip.
    """

    info = MetricInfo(
        name="exact_match",
        summary="1 if the answer equals the reference, else 0",
        needs=frozenset({"output", "reference"}),
        default_threshold=1.0,
        options={
            "strip": strip_option,
            "ignore_case": ignore_case_option,
            "ignore_punctuation": OptionInfo(kind="bool", default=False),
            "ignore_whitespace": OptionInfo(kind="bool", default=False),
            "regexes_to_ignore": OptionInfo(kind="list", default=()),
            "normalize": normalize_option,
        },
    )

    def __init__(
        self,
        *,
        strip: bool = True,
        ignore_case: bool = False,
        ignore_punctuation: bool = False,
        ignore_whitespace: bool = False,
        regexes_to_ignore: Sequence[str] = (),
        normalize: str = "nfc",
    ) -> None:
        ignored = [searcher(pattern) for pattern in regexes_to_ignore]
        steps: list[tuple[bool, Callable[[str], str]]] = [
            (normalize != "none", lambda text: normalized(text, normalize)),
            (strip, str.strip),
            *(
                (True, lambda text, one=one: one.sub("", text, timeout=regex_limit_s))
                for one in ignored
            ),
            (ignore_case, str.casefold),
            (ignore_punctuation, without_punctuation),
            (ignore_whitespace, lambda text: "".join(text.split())),
            (strip and (bool(ignored) or ignore_punctuation), str.strip),
        ]
        self._steps = tuple(step for wanted, step in steps if wanted)

    def score(self, item: MetricInput) -> Score:
        if item.has_reference_json:
            return _equal_json(item)
        output = self._plain(item.output or "")
        return hit([self._plain(reference) == output for reference in item.references])

    def _plain(self, text: str) -> str:
        for step in self._steps:
            text = step(text)
        return text


class NormalizedMatch:
    """Equal or not after the normalisation of SQuAD v1.1: case, punctuation, articles and blanks."""

    info = MetricInfo(
        name="normalized_match",
        summary="1 if the answer equals the reference as SQuAD compares, else 0",
        needs=frozenset({"output", "reference"}),
        default_threshold=1.0,
        options={
            "strip_accents": OptionInfo(kind="bool", default=False),
            "normalize": normalize_option,
        },
    )

    def __init__(self, *, strip_accents: bool = False, normalize: str = "nfc") -> None:
        self._strip_accents = strip_accents
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = self._plain(item.output or "")
        return hit([self._plain(reference) == output for reference in item.references])

    def _plain(self, text: str) -> str:
        text = normalized(text, self._normalize)
        return squad_normalized(without_accents(text) if self._strip_accents else text)


class RegexMatch:
    """1 if a pattern of Python's syntax occurs in the answer, or is all of it; at most a second."""

    info = MetricInfo(
        name="regex_match",
        summary="1 if the pattern matches the answer, else 0",
        needs=frozenset({"output"}),
        default_threshold=1.0,
        options={
            "pattern": OptionInfo(kind="str", required=True),
            "mode": OptionInfo(kind="str", default="search", choices=("search", "fullmatch")),
            "flags": OptionInfo(kind="str", default="", description="letters of (?aimsx)"),
        },
    )

    def __init__(self, *, pattern: str, mode: str = "search", flags: str = "") -> None:
        if set(flags) - set("aimsx"):
            raise ValueError(f"flags are letters of 'aimsx', got {flags!r}")
        search = searcher(f"(?{flags}){pattern}" if flags else pattern)
        self._match = search.search if mode == "search" else search.fullmatch

    def score(self, item: MetricInput) -> Score:
        found = self._match(item.output or "", timeout=regex_limit_s)
        return Scored(value=0.0 if found is None else 1.0)


class ChoiceMatch:
    """1 if the choice that the answer names is the one of the reference, a letter or a text.

    An answer that names no choice, or several, is wrong and has the label ``no_match``.
    """

    info = MetricInfo(
        name="choice_match",
        summary="1 if the answer picks the choice of the reference, else 0",
        needs=frozenset({"output", "reference", "choices"}),
        default_threshold=1.0,
        options={
            "letters": OptionInfo(
                kind="str", description="names of the choices, by default A B C ..."
            ),
        },
    )

    def __init__(self, *, letters: str | None = None) -> None:
        if letters is not None and (not letters.isalpha() or len(set(letters)) < len(letters)):
            raise ValueError(f"letters must be letters, each once, got {letters!r}")
        self._letters = (letters or ascii_uppercase).upper()

    def score(self, item: MetricInput) -> Score:
        letters = self._letters[: len(item.choices)]
        wanted = {self._letter_of(reference, item.choices) for reference in item.references}
        if wanted == {None}:
            reason = f"{item.references[0]!r} is neither a letter nor a text of the choices"
            return Unscored(code="bad_reference", reason=reason)
        chosen = chosen_letter(item.output or "", item.choices, letters=letters)
        if chosen is None:
            return Scored(value=0.0, label="no_match")
        return Scored(value=float(chosen in wanted), details={"chosen": chosen})

    def _letter_of(self, reference: str, choices: Sequence[str]) -> str | None:
        bare = reference.strip()
        letters = self._letters[: len(choices)]
        by_text = dict(zip((choice.strip() for choice in choices), letters, strict=False))
        letter = bare.strip("().").upper()
        return by_text.get(bare) or (letter if len(letter) == 1 and letter in letters else None)


class TokenF1:
    """F1 of the words that answer and reference share, counted with repetitions.

    Source: the SQuAD evaluation script, https://rajpurkar.github.io/SQuAD-explorer/. As in its version
    2, two texts without any word agree and one alone does not.
    """

    info = MetricInfo(
        name="token_f1",
        summary="F1 of shared words",
        needs=frozenset({"output", "reference"}),
        default_threshold=0.5,
        options={
            "tokenizer": OptionInfo(kind="str", default="squad", choices=("squad", "unicode")),
            "normalize": normalize_option,
        },
    )

    def __init__(self, *, tokenizer: str = "squad", normalize: str = "nfc") -> None:
        self._split = squad_words if tokenizer == "squad" else unicode_words
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = Counter(self._words(item.output or ""))
        return best([_f1(output, Counter(self._words(one))) for one in item.references])

    def _words(self, text: str) -> list[str]:
        return self._split(normalized(text, self._normalize))


def _equal_json(item: MetricInput) -> Scored:
    given = answered_json(item)
    if given is None:
        return Scored(value=0.0, label="not_json")
    return hit([equal(given[0], item.reference_json)])


def _f1(output: Counter[str], reference: Counter[str]) -> Scored:
    if not output or not reference:
        value = float(output == reference)
        return Scored(value=value, submetrics={"precision": value, "recall": value})
    same = (output & reference).total()
    if not same:
        return Scored(value=0.0, submetrics={"precision": 0.0, "recall": 0.0})
    precision, recall = same / output.total(), same / reference.total()
    f1 = 2 * precision * recall / (precision + recall)
    return Scored(value=f1, submetrics={"precision": precision, "recall": recall})
