"""The log of a program in use, made of a seed: calls with personal data, repetitions and broken lines."""

import json
import random
from dataclasses import dataclass

personal = (
    "ada.lovelace@example.com", "o'brien+test@mail.example.org", "+49 30 901820", "(212) 555-0142",
    "4111 1111 1111 1111", "5500005555555559", "DE89370400440532013000", "GB82 WEST 1234 5698 7654 32",
    "219-09-9999", "203.0.113.77", "2001:db8:85a3::8a2e:370:7334", "https://root:hunter2@db.example.com",
    "sk-ant-api03-AAAAbbbbCCCCddddEEEEffff0000", "AKIAIOSFODNN7EXAMPLE",
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "EMP-48213",
)  # fmt: skip
# What must not be found anywhere: the tell-tale part of each.
traces = (
    "lovelace", "brien+test", "901820", "555-0142", "4111 1111", "5500005555555559", "8937040044",
    "WEST 1234", "219-09", "203.0.113.77", "2001:db8", "hunter2", "AAAAbbbb", "AKIAIOSF",
    "eyJhbGci", "48213", "bob@example",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log and what is in it."""

    data: bytes
    unique: int
    exact: int
    near: int
    broken: int
    empty: int
    tests: int

    @property
    def lines(self) -> int:
        return self.unique + self.exact + self.near + self.broken + self.empty + self.tests


def support_log(*, seed: int = 11, scale: int = 1) -> Log:
    """5,000 lines times ``scale`` twentieths of calls, shuffled but for the order of repetitions."""
    rng = random.Random(seed)
    words = [f"{a}{b}" for a in "karlomin" for b in ("ta", "rel", "nus", "dov", "pim", "sen")]
    n = {
        name: count * scale // 20
        for name, count in {
            "unique": 4000, "exact": 300, "near": 200, "broken": 150, "empty": 100, "tests": 250,
        }.items()
    }  # fmt: skip
    texts = [" ".join(rng.choices(words, k=24)) for _ in range(n["unique"])]
    lines: list[bytes] = [_call(i, f"{text} {_who(i)} thanks") for i, text in enumerate(texts)]
    # Another person asks the same: equal once the personal data is out.
    lines += [_call(5000 + i, f"{texts[i]} {_who(i)} thanks") for i in range(n["exact"])]
    lines += [_call(6000 + i, f"{texts[-1 - i]} {_who(len(texts) - 1 - i)} please") for i in range(n["near"])]  # fmt: skip
    lines += [_call(7000 + i, "") for i in range(n["empty"])]
    lines += [_call(8000 + i, f"probe {i} of {_who(i)}", env="test") for i in range(n["tests"])]
    broken = [
        b'{"messages": [{"role": "user", "content": "cut off ' + _who(0).encode(),
        b"Traceback: " + _who(1).encode(),
        b'{"who": "\xff\xfe' + _who(2).encode() + b'"}',
    ]
    for i in range(n["broken"]):
        lines.insert(rng.randrange(len(lines)), broken[i % 3])
    return Log(data=b"\n".join(lines) + b"\n", **n)


def _who(number: int) -> str:
    return personal[number % len(personal)]


def _call(number: int, text: str, *, env: str = "live") -> bytes:
    turns = [{"role": "user", "content": text}] if text else []
    record = {
        "id": f"req-{number}" if number % 7 else "bob@example.com",
        "created": 1_700_000_000 + number,
        "env": env,
        "user": {"contact": _who(number + 3), "note": f"wrote from {_who(number + 9)}"},
        "request": {"model": "gpt-5-mini", "messages": turns},
        "response": {"choices": [{"message": {"content": f"Dear {_who(number)}, it is done."}}]},
    }
    return json.dumps(record, ensure_ascii=False).encode()
