"""Writes the generated suites: the same seed gives the same bytes.

    python test_suites/generate.py            # writes the suites beside this file
    python test_suites/generate.py --check    # exits 1 when the files differ from what it would write

``shop_arithmetic`` holds 1,200 word problems whose answer is a number; every question states all that
is needed, some with a number that does not matter. ``ticket_triage`` holds 240 support tickets, each
put together from a complaint, a circumstance and a closing, with the queue they belong to.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

here = Path(__file__).resolve().parent
seed = 20261124

Case = dict[str, Any]
names = ("Ada", "Bela", "Chen", "Dara", "Emil", "Fatou", "Goran", "Hana", "Ines", "Jonas")
goods = ("pens", "apples", "notebooks", "candles", "bolts", "cups", "stickers", "lemons")
boxes = ("boxes", "crates", "bags", "trays")


def _multiply(rng: random.Random) -> tuple[str, int, int]:
    n, each = rng.randint(2, 12), rng.randint(3, 25)
    box, good = rng.choice(boxes), rng.choice(goods)
    text = (
        f"A shop has {n} {box}. Each of them holds {each} {good}. How many {good} are there in all?"
    )
    return text, n * each, 1


def _add(rng: random.Random) -> tuple[str, int, int]:
    a, b = rng.randint(5, 90), rng.randint(5, 90)
    who, good = rng.choice(names), rng.choice(goods)
    return (
        f"{who} has {a} {good} and buys {b} more. How many {good} does {who} have now?",
        a + b,
        1,
    )


def _subtract(rng: random.Random) -> tuple[str, int, int]:
    b = rng.randint(3, 40)
    a = b + rng.randint(2, 60)
    who, good = rng.choice(names), rng.choice(goods)
    return (
        f"{who} had {a} {good} and sold {b} of them. How many {good} are left?",
        a - b,
        1,
    )


def _share(rng: random.Random) -> tuple[str, int, int]:
    people, each = rng.randint(2, 9), rng.randint(3, 20)
    good = rng.choice(goods)
    return (
        (
            f"{people * each} {good} are shared equally among {people} friends. "
            f"How many {good} does each friend get?"
        ),
        each,
        1,
    )


def _revenue(rng: random.Random) -> tuple[str, int, int]:
    a = rng.randint(8, 40)
    b, price = rng.randint(2, a - 2), rng.randint(2, 9)
    who, good = rng.choice(names), rng.choice(goods)
    return (
        (
            f"{who} has {a} {good} and keeps {b} of them. {who} sells the rest for {price} dollars each. "
            f"How many dollars does {who} earn?"
        ),
        (a - b) * price,
        2,
    )


def _restock(rng: random.Random) -> tuple[str, int, int]:
    have, n, each = rng.randint(4, 50), rng.randint(2, 8), rng.randint(3, 12)
    box, good = rng.choice(boxes), rng.choice(goods)
    return (
        (
            f"A shelf holds {have} {good}. Then {n} {box} with {each} {good} each arrive. "
            f"How many {good} are there now?"
        ),
        have + n * each,
        2,
    )


problems: dict[str, Callable[[random.Random], tuple[str, int, int]]] = {
    "multiply": _multiply,
    "add": _add,
    "subtract": _subtract,
    "share": _share,
    "revenue": _revenue,
    "restock": _restock,
}
distractors = (
    "The shop opened {n} years ago.",
    "It is {n} degrees outside.",
    "The street has {n} houses.",
    "Bus number {n} stops at the door.",
)


def shop_arithmetic() -> Iterator[Case]:
    """1,200 different questions: 200 of each operation, a quarter with a number that does not matter."""
    rng = random.Random(seed)
    seen: set[str] = set()
    for operation, make in problems.items():
        count = 0
        while count < 200:
            question, answer, steps = make(rng)
            distractor = rng.random() < 0.25
            if distractor:
                question = f"{rng.choice(distractors).format(n=rng.randint(2, 99))} {question}"
            if question in seen:
                continue
            seen.add(question)
            yield {
                "id": f"{operation}-{count:03d}",
                "input": question,
                "expected_output": str(answer),
                "metadata": {"operation": operation, "steps": steps, "distractor": distractor},
                "tags": sorted([operation, "two-step" if steps > 1 else "one-step"]),
            }
            count += 1


complaints: dict[str, tuple[str, ...]] = {
    "billing": (
        "I was charged twice for the same month",
        "the invoice shows a plan that I never ordered",
        "my card was debited after I cancelled",
        "the discount code was not taken off the total",
        "I need a refund for the unused seats",
        "your receipt lacks our tax number",
    ),
    "bug": (
        "the export button does nothing when I click it",
        "the page goes blank after I save a report",
        "the app crashes when a file has an umlaut in its name",
        "search shows results that were deleted last week",
        "the chart draws negative values upside down",
        "uploads stop at ninety percent and never finish",
    ),
    "account": (
        "I cannot sign in since I changed my phone",
        "the password reset mail never arrives",
        "please move my login to my new address",
        "a colleague left and I must take over her workspace",
        "two-factor codes are refused although the clock is right",
        "I am locked out after three attempts",
    ),
    "feature": (
        "could you add a dark theme for the editor",
        "it would help to sort the list by due date",
        "we would love an integration with our calendar",
        "please let us hide columns that we do not use",
        "is there a plan to support keyboard shortcuts",
        "an option to schedule reports would save us hours",
    ),
}
circumstances = (
    "This started on Monday",
    "We are a team of twelve",
    "I tried two browsers",
    "Nothing changed on our side",
    "It concerns our main workspace",
    "I pay by card and like the product",
    "The deadline is on Friday",
    "My colleague sees the same screen",
    "We renewed the contract in spring",
    "I searched the help pages first",
)
openings = ("Hello,", "Hi team,", "Good morning,", "")
closings = ("Thanks!", "Please help soon.", "Kind regards", "")


def ticket_triage() -> Iterator[Case]:
    """240 different tickets, 60 of each queue."""
    rng = random.Random(seed + 1)
    for queue, texts in complaints.items():
        seen: set[str] = set()
        while len(seen) < 60:
            parts = [
                rng.choice(openings),
                f"{rng.choice(texts)}.",
                f"{rng.choice(circumstances)}.",
                rng.choice(closings),
            ]
            if rng.random() < 0.3:
                parts[1], parts[2] = parts[2], parts[1]
            ticket = " ".join(part for part in parts if part)
            if ticket in seen:
                continue
            yield {
                "id": f"{queue}-{len(seen):02d}",
                "input": ticket,
                "expected_output": queue,
                "choices": list(complaints),
                "metadata": {"queue": queue, "length": "long" if len(ticket) > 90 else "short"},
                "tags": [queue],
            }
            seen.add(ticket)


generated = {"shop_arithmetic": shop_arithmetic, "ticket_triage": ticket_triage}
key_order = ("id", "input", "expected_output", "metadata", "tags", "choices")


def text_of(cases: Iterator[Case]) -> str:
    """The canonical ``cases.jsonl``: sorted by id, keys in a fixed order, one line per case."""
    lines = [
        json.dumps(
            {key: case[key] for key in key_order if key in case},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for case in sorted(cases, key=lambda case: case["id"])
    ]
    return "".join(f"{line}\n" for line in lines)


def main() -> int:
    """Write the suites, or compare them with ``--check``."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare only; 1 when a file differs")
    check = parser.parse_args().check
    differing = []
    for name, make in generated.items():
        target = here / name / "cases.jsonl"
        text = text_of(make())
        if check and (not target.exists() or target.read_text(encoding="utf-8") != text):
            differing.append(target)
        if not check:
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
            print(f"{target.relative_to(here.parent)}: {text.count(chr(10))} cases")
    for target in differing:
        print(f"{target} differs from what test_suites/generate.py writes", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
