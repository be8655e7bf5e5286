"""Finds personal data and credentials in text: what it is, where it starts, where it ends.

Numbers are believed only when their check digits agree: payment cards by Luhn, IBANs by the remainder
97 and the length of their country. Where two kinds claim the same characters the more dangerous one
wins: a password inside an address is a credential and no e-mail. Repetitions are bounded, so that no
text takes more than time in proportion to its length.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pipex_core.expressions.patterns import compiled
from pipex_core.expressions.values import too_complex
from pipex_core.secrets import patterns as secret_patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Personal data in a text.

    Attributes:
        kind: ``EMAIL PHONE CARD IBAN SSN IP CREDENTIALS API_KEY TOKEN`` or the name of a user's pattern.
        start: 0-based offset of the first character.
        end: Offset behind the last one.
    """

    kind: str
    start: int
    end: int


search_limit_s: Final = 1.0  # of one pattern of a user on one text

Detector = Callable[[str], Iterable[Span]]


def find_personal(
    text: str,
    *,
    patterns: Mapping[str, str] | None = None,
    recognise: Detector | None = None,
) -> list[Span]:
    """Everything personal in a text, in order, without overlaps.

    Args:
        text: Any text.
        patterns: Regular expressions of further kinds by name; of one with the group ``value`` only
            that is meant.
        recognise: Names people, places and the like; asked last.

    Raises:
        ExpressionError: ``expression_too_complex``, a pattern of the user takes too long.
    """
    found = [
        *(span for name, one in (patterns or {}).items() for span in _of_user(name, one, text)),
        *(span for detect in _detectors for span in detect(text)),
        *(recognise(text) if recognise else ()),
    ]
    return _apart(found)


def passes_luhn(digits: str) -> bool:
    """Does the last digit check the others?

    Source: ISO/IEC 7812-1, annex B.
    """
    doubled = [int(digit) for digit in reversed(digits)]
    doubled[1::2] = [2 * digit - 9 * (digit > 4) for digit in doubled[1::2]]  # noqa: PLR2004 - digits are summed
    return sum(doubled) % 10 == 0


def passes_mod97(iban: str) -> bool:
    """Is the remainder of a written together IBAN in capitals 1?

    Source: ISO 13616-1; the letters A to Z stand for 10 to 35.
    """
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _apart(found: Iterable[Span]) -> list[Span]:
    """The spans that overlap none of an earlier detector, by place."""
    kept: list[Span] = []
    taken = bytearray()
    for span in found:
        if len(taken) < span.end:
            taken.extend(bytes(span.end - len(taken)))
        if span.end > span.start and not any(taken[span.start : span.end]):
            taken[span.start : span.end] = b"\1" * (span.end - span.start)
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def _of_user(kind: str, pattern: str, text: str) -> Iterator[Span]:
    """Places of a user's pattern. Giving up quietly would let personal data through."""
    search = compiled(pattern)
    assert search is not None  # noqa: S101 - the scrubber refused it when it was made
    group: str | int = "value" if "value" in search.groupindex else 0
    try:
        for match in search.finditer(text, timeout=search_limit_s):
            if match.start(group) >= 0:
                yield Span(kind=kind, start=match.start(group), end=match.end(group))
    except TimeoutError as exc:
        message = f"the pattern for {kind} takes more than {search_limit_s:g} s on one text"
        raise too_complex(message) from exc


def _of_pattern(kind: str, pattern: "re.Pattern[str]", text: str) -> Iterator[Span]:
    group: str | int = "value" if "value" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        if match.start(group) >= 0:
            yield Span(kind=kind, start=match.start(group), end=match.end(group))


_key_patterns: Final = (
    secret_patterns["anthropic_key"],
    secret_patterns["google_key"],
    secret_patterns["aws_key"],
    secret_patterns["private_key"],
    re.compile(r"\bsk-[A-Za-z0-9_-]{20,200}"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_)[A-Za-z0-9_-]{20,200}"),
    re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,200}"),
    re.compile(r"\b[rps]k_(?:live|test)_[A-Za-z0-9]{16,200}"),
    re.compile(
        r"(?i)\b(?:api[_-]?key|secret|token|password|passwd|pwd)[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
        r"(?P<value>(?=[^\s\"',;]{0,127}\d)(?=[^\s\"',;]{0,127}[A-Za-z])[^\s\"',;\[\]{}()<>]{8,128})"
    ),
)
_token_patterns: Final = (
    re.compile(r"(?i)\bbearer\s{1,3}(?P<value>[A-Za-z0-9._~+/-]{16,4000}=*)"),
    secret_patterns["jwt"],
)
_credentials: Final = re.compile(r"(?<=://)[^/\s:@]{1,256}:[^/\s@]{1,256}(?=@)")
_email: Final = re.compile(
    r"(?<![\w.%+-])[\w%+-][\w.%+-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)
_iban: Final = re.compile(r"(?i)(?<![a-z0-9])[a-z]{2}\d\d(?:[ -]?[a-z0-9]){11,30}")
_card: Final = re.compile(r"(?<![\w.])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w])")
_ssn: Final = re.compile(
    r"(?<![\w-])(?!000|666|9)\d{3}(?P<gap>[- ])(?!00)\d\d(?P=gap)(?!0000)\d{4}(?![\w-])"
)
_ipv4: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)(?!\w)")
_ipv6: Final = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f:]{2,30}:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f:]{2,39})(?![\w:])"
)
_phone: Final = re.compile(
    r"(?<![\w.+-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(\d{1,4}\)[ ./-]?)?\d(?:[ ./-]?\d){5,12}"  # international
    r"|(?:\(\d{3}\)[ -]?|\d{3}[-. ])\d{3}[-. ]\d{4}"  # North America
    r"|\(?0\d{2,5}\)?[ /-]\d{3,8}(?:[ -]\d{2,6}){0,4}"  # with a national prefix
    r")(?![\w-])"
)
_called: Final = re.compile(
    r"(?i)\b(?:phone|mobile|telephone|tel|cell|fax|call(?: (?:me|us))?(?: (?:at|on))?)"
    r"(?: number| no)?[.:]?(?: is)?\s{0,3}(?P<value>\d(?:[ ().-]{0,2}\d){6,14})(?!\w)"
)
_phone_digits: Final = range(8, 16)  # with a national prefix; E.164 allows 15
_least_groups: Final = 3  # of an IPv6 address, or one of three digits: [1::2] is a slice of a list

# Length by country: ISO 13616 registry, release 99. The first two letters of all others are unknown.
_iban_lengths: Final = MappingProxyType(
    {
        country: length
        for length, countries in {
            15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI",
            20: "AT BA EE KZ LT LU XK MN", 21: "CH HR LI LV",
            22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
            24: "AD CZ ES MD PK RO SA SE SK TN VG DZ", 25: "LY PT ST", 26: "IS TR",
            27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
            29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
        }.items()
        for country in countries.split()
    }
)  # fmt: skip


def _ibans(text: str) -> Iterator[Span]:
    for match in _iban.finditer(text):
        length = _iban_lengths.get(match[0][:2].upper())
        places = [place for place, letter in enumerate(match[0]) if letter.isalnum()]
        if length is None or len(places) < length:
            continue
        end = places[length - 1] + 1
        follows = match[0][end : end + 1]
        written = re.sub("[ -]", "", match[0][:end]).upper()
        if not follows.isalnum() and passes_mod97(written):
            yield Span(kind="IBAN", start=match.start(), end=match.start() + end)


def _cards(text: str) -> Iterator[Span]:
    for match in _card.finditer(text):
        if passes_luhn(re.sub("[ -]", "", match[0])):
            yield Span(kind="CARD", start=match.start(), end=match.end())


def _addresses(text: str) -> Iterator[Span]:
    for match in _ipv6.finditer(text):
        groups = re.findall("[0-9A-Fa-f]+", match[0])
        if len(groups) < _least_groups and not any(len(one) >= _least_groups for one in groups):
            continue
        try:
            ipaddress.IPv6Address(match[0])
        except ValueError:
            continue
        yield Span(kind="IP", start=match.start(), end=match.end())
    for match in _ipv4.finditer(text):
        if all(int(part) < 256 for part in match[0].split(".")):  # noqa: PLR2004 - an octet
            yield Span(kind="IP", start=match.start(), end=match.end())


def _phones(text: str) -> Iterator[Span]:
    for match in _phone.finditer(text):
        if sum(letter.isdigit() for letter in match[0]) in _phone_digits:
            yield Span(kind="PHONE", start=match.start(), end=match.end())
    yield from _of_pattern("PHONE", _called, text)


def _simple(kind: str, *patterns: "re.Pattern[str]") -> Detector:
    return lambda text: (span for one in patterns for span in _of_pattern(kind, one, text))


_detectors: Final[tuple[Detector, ...]] = (
    _simple("CREDENTIALS", _credentials),
    _simple("API_KEY", *_key_patterns),
    _simple("TOKEN", *_token_patterns),
    _simple("EMAIL", _email),
    _ibans,
    _cards,
    _simple("SSN", _ssn),
    _addresses,
    _phones,
)
