"""Personal data is found by kind and taken out, and what only looks like it stays."""

import hashlib
import hmac
import re

import pytest

from pipex_core.errors import ConfigError, ExpressionError
from pipex_core.evals.personal import Span, find_personal, passes_luhn, passes_mod97
from pipex_core.evals.scrub import Scrubber
from pipex_core.evals.suite import Case

# Card numbers are those that payment services publish for tests; IBANs those of the ISO 13616 registry.
planted = [
    ("EMAIL", "write to ada.lovelace+x@mail.example.co.uk today", "ada.lovelace+x@mail.example.co.uk"),
    ("EMAIL", "<jürgen@müller.de>", "jürgen@müller.de"),
    ("PHONE", "call +1 (415) 555-2671 now", "+1 (415) 555-2671"),
    ("PHONE", "+44 20 7946 0958", "+44 20 7946 0958"),
    ("PHONE", "on (415) 555-2671.", "(415) 555-2671"),
    ("PHONE", "on 415-555-2671", "415-555-2671"),
    ("PHONE", "0049 30 901820 works", "0049 30 901820"),
    ("PHONE", "030/90182012 in Berlin", "030/90182012"),
    ("PHONE", "my mobile number is 4155552671", "4155552671"),
    ("CARD", "card 4111 1111 1111 1111 exp", "4111 1111 1111 1111"),
    ("CARD", "5555-5555-5555-4444", "5555-5555-5555-4444"),
    ("CARD", "amex 378282246310005", "378282246310005"),
    ("CARD", "6011111111111117", "6011111111111117"),
    ("IBAN", "to DE89370400440532013000 please", "DE89370400440532013000"),
    ("IBAN", "GB29 NWBK 6016 1331 9268 19 AND MORE", "GB29 NWBK 6016 1331 9268 19"),
    ("IBAN", "no9386011117947", "no9386011117947"),
    ("SSN", "SSN 078-05-1120", "078-05-1120"),
    ("SSN", "ssn 219 09 9999", "219 09 9999"),
    ("IP", "from 192.168.10.254:8080", "192.168.10.254"),
    ("IP", "at 2001:db8::8a2e:370:7334 port", "2001:db8::8a2e:370:7334"),
    ("IP", "fe80::1%eth0", "fe80::1"),
    ("IP", "::ffff:192.0.2.128", "::ffff:192.0.2.128"),
    ("CREDENTIALS", "https://ada:s3cret@db.example.com/x", "ada:s3cret"),
    ("API_KEY", "key sk-ant-api03-abcdefghij", "sk-ant-api03-abcdefghij"),
    ("API_KEY", "sk-proj-abcdefghijklmnopqrstuvwx", "sk-proj-abcdefghijklmnopqrstuvwx"),
    ("API_KEY", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ("API_KEY", "ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
    ("API_KEY", "xoxb-123456789012-abcdefGHIJ", "xoxb-123456789012-abcdefGHIJ"),
    ("API_KEY", "sk_live_0123456789abcdefABCD", "sk_live_0123456789abcdefABCD"),
    ("API_KEY", 'password: "hunter2hunter"', "hunter2hunter"),
    ("API_KEY", "api_key=abc123def456", "abc123def456"),
    ("TOKEN", "Authorization: Bearer abcdef0123456789abcdef", "abcdef0123456789abcdef"),
    ("TOKEN", "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF", "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "found"), planted)
def test_each_kind_is_found_as_a_whole(kind: str, text: str, found: str) -> None:
    start = text.index(found)
    assert find_personal(text) == [Span(kind=kind, start=start, end=start + len(found))]
    assert Scrubber().text(text) == text.replace(found, f"[{kind}_1]")


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # the check digit is wrong
        "1234567812345670",  # Luhn holds, but no card begins with 1
        "DE89370400440532013001",
        "XX89370400440532013000",
        "DE8937040044053201300",
        "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000",
        "256.1.1.1", "1.2.3", "std::abs(x)", "a[::2] and b[1::2]", "::", "12:30:45",
        "2024-01-31T10:00:00Z", "2024-01-31", "ISBN 978-3-16-148410-0", "order 12345678",
        "3.14159 and 1,000,000", "user@localhost", "@name", "a@b", "http://example.com/a:b@c",
        "the password is in the safe", "token: word", "[EMAIL_1] and [IP_2]", "0.5 - 0.25",
        "secret=abcdefgh",
    ],
)  # fmt: skip
def test_what_only_looks_personal_stays(text: str) -> None:
    assert find_personal(text) == []
    assert Scrubber().text(text) == text


def test_check_digits_are_those_of_the_standards() -> None:
    # 79927398713 is the worked example of the Luhn article of ISO/IEC 7812.
    assert [d for d in range(10) if passes_luhn(f"7992739871{d}")] == [3]
    assert passes_mod97("GB82WEST12345698765432")
    assert not passes_mod97("GB82WEST12345698765433")


def test_where_kinds_overlap_the_dangerous_one_wins() -> None:
    text = "https://ada:pw123@mail.example.com and ada@mail.example.com"
    assert Scrubber().text(text) == "https://[CREDENTIALS_1]@mail.example.com and [EMAIL_1]"


def test_numbers_are_stable_inside_a_case_and_begin_anew_in_the_next() -> None:
    scrubber = Scrubber()
    record = {"a": "x@y.org, z@y.org", "b": ["X@y.org"], "z@y.org": {"ip": "10.0.0.7"}, "n": 1.5}
    found = scrubber.value(record)
    assert found.value == {
        "a": "[EMAIL_1], [EMAIL_2]", "b": ["[EMAIL_1]"], "[EMAIL_2]": {"ip": "[IP_1]"}, "n": 1.5,
    }  # fmt: skip
    assert found.counts == {"EMAIL": 4, "IP": 1}
    assert scrubber.value("z@y.org").value == "[EMAIL_1]"


def test_a_card_as_a_json_number_is_found_and_other_numbers_stay() -> None:
    found = Scrubber().value({"card": 4111111111111111, "n": 42, "yes": True, "none": None})
    assert found.value == {"card": "[CARD_1]", "n": 42, "yes": True, "none": None}


def test_a_hash_is_keyed_and_the_same_everywhere() -> None:
    digest = hmac.new(b"k", b"ada@x.org", hashlib.sha256).hexdigest()[:12]
    one = Scrubber(mode="hash", key=b"k")
    assert one.text("Ada@x.org ada@x.org") == f"[EMAIL_{digest}] [EMAIL_{digest}]"
    assert one.value(["ada@x.org"]).value == [f"[EMAIL_{digest}]"]
    assert Scrubber(mode="hash", key=b"other").text("ada@x.org") != one.text("ada@x.org")
    assert "k" not in repr(one).replace("key", "").replace("kw", "").split("mode=")[1]


def test_drop_leaves_nothing() -> None:
    assert Scrubber(mode="drop").text("from ada@x.org!") == "from !"


def test_users_add_patterns_and_a_recogniser() -> None:
    def people(text: str) -> list[Span]:
        return [Span(kind="PERSON", start=m.start(), end=m.end()) for m in re.finditer("Ada", text)]

    scrubber = Scrubber(
        patterns={"ticket": r"T-(?P<value>\d+)", "code": "K[0-9]+"}, recognise=people
    )
    assert scrubber.text("Ada opened T-77 and K9, Ada@x.org") == (
        "[PERSON_1] opened T-[TICKET_1] and [CODE_1], [EMAIL_1]"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "hash"}, "with a key only"),
        ({"patterns": {"a b": "x"}}, "no name for a kind"),
        ({"patterns": {"a": "("}}, "the pattern for a: "),
    ],
)
def test_a_scrubber_that_cannot_work_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Scrubber(**options)  # type: ignore[arg-type]  # one of the rows is wrong on purpose
    assert caught.value.code == "bad_option"


def test_a_pattern_that_takes_too_long_lets_nothing_through() -> None:
    with pytest.raises(ExpressionError, match="the pattern for SLOW takes more than 1 s") as caught:
        Scrubber(patterns={"slow": "(a|aa)+$"}).text("a" * 60 + "!")
    assert caught.value.code == "expression_too_complex"


def test_hostile_texts_take_time_in_proportion_to_their_length() -> None:
    for piece in (
        "a",
        "a.",
        "1",
        "1 ",
        "1-",
        "1.",
        ":",
        "a:",
        "@",
        "a@",
        "AB12 ",
        "://a:",
        "key=",
        "+1 ",
    ):
        assert isinstance(find_personal(piece * (40_000 // len(piece))), list)


def test_a_case_loses_what_people_wrote_and_keeps_what_programs_made() -> None:
    case = Case(
        id="log-10.0.0.7",
        input=[{"role": "user", "content": "I am ada@x.org"}],
        expected_output="Hello ada@x.org",
        context=("about bob@x.org",),
        choices=("ada@x.org", "nobody"),
        tags=("vip:ada@x.org", "a"),
        metadata={"ip": "10.0.0.8"},
        expected_tools=({"name": "mail", "arguments": {"to": "bob@x.org"}},),
        source={"sha256": "0" * 64, "line": 4111111111111111},
    )
    found = Scrubber().case(case)
    assert found.counts == {"EMAIL": 6, "IP": 1}
    assert found.case == Case(
        id="log-10.0.0.7",
        input=[{"role": "user", "content": "I am [EMAIL_1]"}],
        expected_output="Hello [EMAIL_1]",
        context=("about [EMAIL_2]",),
        choices=("[EMAIL_1]", "nobody"),
        tags=("a", "vip:[EMAIL_1]"),
        metadata={"ip": "[IP_1]"},
        expected_tools=({"name": "mail", "arguments": {"to": "[EMAIL_2]"}},),
        source={"sha256": "0" * 64, "line": 4111111111111111},
    )


def test_a_case_without_personal_data_is_the_same_case() -> None:
    case = Case(id="a", input="What is 2 + 2?", context="A sum")
    assert Scrubber().case(case).case is case
    assert Scrubber().kinds({"input": "mail ada@x.org"}) == {"EMAIL": 1}


def test_a_pattern_whose_value_is_absent_finds_nothing() -> None:
    scrubber = Scrubber(patterns={"ticket": r"T-(?P<value>\d+)?"})
    assert scrubber.text("T- and T-7") == "T- and T-[TICKET_1]"
