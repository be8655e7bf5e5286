"""The dated price table, and the most that a call can cost before it is made.

Amounts are exact until the one rounding per call, which is upwards, to integer nano-USD. Tokens are
the fact, prices are dated data: a cost can always be computed again from stored tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Self

import yaml

from pipex_core.errors import ConfigError
from pipex_core.jsonvalue import Json, canonical_bytes, digest
from pipex_core.llm.cost import Amount
from pipex_core.llm.provider import Request, Usage

rate_names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
row_names = {"provider", "match", "valid_from", "tiers", "batch", *rate_names}
stale_after = timedelta(days=90)
bytes_per_message = 32
bytes_per_form = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per million tokens of each class."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal

    def nanousd(self, usage: Usage) -> int:
        """Exact sum over the token classes, rounded up once."""
        per_million = sum(
            (getattr(usage, name) * getattr(self, name) for name in rate_names), Decimal(0)
        )
        return int((per_million * 1000).to_integral_value(ROUND_CEILING))

    def highest(self, other: "Rates") -> "Rates":
        """The dearer rate of each class."""
        return Rates(
            **{name: max(getattr(self, name), getattr(other, name)) for name in rate_names}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Rates of every token of a request whose prompt has more than ``above`` tokens."""

    above: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One row of the table.

    Attributes:
        match: Model ids; ``#`` stands for one digit. The first one names the row.
        tiers: In rising order of their threshold.
        batch: Factor on every token price for batch calls.
        id: Digest of the row as written.
    """

    provider: str
    match: tuple[str, ...]
    valid_from: date
    rates: Rates
    tiers: tuple[Tier, ...] = ()
    batch: Decimal = Decimal(1)
    id: str = ""

    def covers(self, model: str) -> bool:
        """Whether the row is about this model id."""
        return any(_is_form_of(model, form) for form in self.match)

    def rates_for(self, prompt_tokens: int) -> Rates:
        """The rates that a prompt of this size has."""
        reached = [tier.rates for tier in self.tiers if prompt_tokens > tier.above]
        return reached[-1] if reached else self.rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Price of one call.

    Attributes:
        price_id: Digest of the row used.
        known: False when the model is not in the table and the highest rates were taken.
    """

    nanousd: int
    price_id: str
    known: bool


@dataclass(frozen=True)
class PriceTable:
    """Prices with their date.

    Attributes:
        prices: At least one row; a model may have several with different first days.
    """

    as_of: date
    source: str
    prices: tuple[Price, ...]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The table of a YAML text ``{as_of, source, models: [...]}``.

        Raises:
            ConfigError: ``invalid_prices``; the message names the row and what is wrong.
        """
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as exc:
            raise _invalid(f"not YAML: {exc}") from exc
        if not isinstance(document, dict) or not isinstance(document.get("models"), list):
            raise _invalid("expected a map with as_of, source and models")
        prices = tuple(_price(row, number) for number, row in enumerate(document["models"], 1))
        if not prices:
            raise _invalid("models is empty")
        as_of = _day(document.get("as_of"), "as_of")
        return cls(as_of=as_of, source=str(document.get("source", "")), prices=prices)

    def overlaid(self, overlay: "PriceTable") -> "PriceTable":
        """This table with the rows of ``overlay`` in place of those about the same models; as old as the newer."""
        kept = (p for p in self.prices if not any(o.covers(p.match[0]) for o in overlay.prices))
        newer = max(self.as_of, overlay.as_of)
        return replace(self, as_of=newer, prices=(*overlay.prices, *kept))

    def is_stale(self, today: date) -> bool:
        """Whether the table is older than 90 days."""
        return today - self.as_of > stale_after

    def find(self, model: str, *, on: date | None = None) -> Price | None:
        """The row in force on a day (default: the table's own), or None for an unknown model.

        Before the first day of all its rows a model has the price of the earliest one.
        """
        if (model, on) not in self._found:
            rows = sorted((p for p in self.prices if p.covers(model)), key=lambda p: p.valid_from)
            in_force = [p for p in rows if p.valid_from <= (on or self.as_of)]
            self._found[model, on] = in_force[-1] if in_force else next(iter(rows), None)
        return self._found[model, on]

    @cached_property
    def _found(self) -> dict[tuple[str, date | None], Price | None]:
        """Rows that were looked for before: a run asks for the same few twice per call."""
        return {}

    @cached_property
    def highest(self) -> Price:
        """The dearest rate of each class in the whole table, tiers included."""
        rates = [r for p in self.prices for r in (p.rates, *(t.rates for t in p.tiers))]
        dearest = rates[0]
        for other in rates[1:]:
            dearest = dearest.highest(other)
        row = {name: str(getattr(dearest, name)) for name in rate_names}
        return Price(
            provider="", match=(), valid_from=self.as_of, rates=dearest, id=digest({"highest": row})
        )

    def cost(self, usage: Usage, model: str, *, on: date | None = None) -> Cost:
        """Price of ``usage``; an unknown model has the highest rate of each class."""
        price = self.find(model, on=on)
        known, row = price is not None, price or self.highest
        amount = row.rates_for(usage.total_input).nanousd(usage)
        return Cost(nanousd=amount, price_id=row.id, known=known)

    def bound(
        self, request: Request, *, on: date | None = None, counted: int | None = None
    ) -> Amount:
        """The most that one try of ``request`` can cost and take.

        ``counted`` is the service's own count of the prompt, where it was asked; vendors call theirs an
        estimate, so what they wrap around a message is added once more.
        """
        if counted is None:
            prompt = input_bound(request)
        else:
            prompt = counted + bytes_per_message * len(request.messages)
        most = Usage(input=prompt, output=request.max_tokens)
        return Amount(
            nanousd=self.cost(most, request.model, on=on).nanousd,
            tokens=most.input + most.output,
            calls=1,
        )


def input_bound(request: Request) -> int:
    """Tokens of the prompt at most: a token is at least one byte of what is sent.

    32 are added for each message and 600 when tools or a schema are sent, for what vendors wrap
    around them.
    """
    body = request.body()
    form = {"tools": body["tools"], "schema": body["schema"]} if _has_form(request) else None
    size = len((request.system or "").encode("utf-8", "surrogatepass"))
    for message in request.messages:
        size += len(message.text.encode("utf-8", "surrogatepass")) + bytes_per_message
    calls = [m["tool_calls"] for m in body["messages"] if m["tool_calls"]]
    parts = [m["parts"] for m in body["messages"] if "parts" in m]
    size += sum(len(canonical_bytes(found)) for found in (calls, parts) if found)
    return size + (len(canonical_bytes(form)) + bytes_per_form if form else 0)


def _has_form(request: Request) -> bool:
    return bool(request.tools) or request.schema is not None


def _is_form_of(model: str, form: str) -> bool:
    return len(model) == len(form) and all(
        there.isdecimal() if wanted == "#" else there == wanted
        for there, wanted in zip(model, form, strict=True)
    )


def _invalid(message: str) -> ConfigError:
    return ConfigError(f"price table: {message}", code="invalid_prices")


def _price(row: Json, number: int) -> Price:
    where = f"model {number}"
    if not isinstance(row, dict):
        raise _invalid(f"{where}: expected a map")
    if unknown := set(row) - row_names:
        raise _invalid(f"{where}: unknown field {min(map(str, unknown))!r}")
    match = row.get("match")
    if not isinstance(match, list) or not match or not all(isinstance(m, str) for m in match):
        raise _invalid(f"{where}: match must be a list of model ids")
    tiers = tuple(
        Tier(above=int(_number(t.get("above"), where)), rates=_rates(t, where))
        for t in row.get("tiers", ())
    )
    return Price(
        provider=str(row.get("provider", "")),
        match=tuple(match),
        valid_from=_day(row.get("valid_from"), where),
        rates=_rates(row, where),
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above)),
        batch=_number(row.get("batch", 1), where),
        id=digest(_as_text(row)),
    )


def _rates(row: Mapping[str, Any], where: str) -> Rates:
    given = {name: _number(row[name], where) for name in rate_names if name in row}
    if missing := {"input", "output", "cache_read"} - set(given):
        raise _invalid(f"{where}: {min(missing)} is missing")
    writes = {"cache_write_5m": given["input"], "cache_write_1h": given["input"]}
    return Rates(**{**writes, **given})


def _number(value: Json, where: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation as exc:
        raise _invalid(f"{where}: {value!r} is no number") from exc
    if not number.is_finite() or number < 0:
        raise _invalid(f"{where}: {value!r} is no price")
    return number


def _day(value: Json, where: str) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError as exc:
        raise _invalid(f"{where}: {value!r} is no date") from exc


def _as_text(row: Json) -> Json:
    """The row with dates and numbers as text: what its digest is taken of."""
    if isinstance(row, dict):
        return {str(key): _as_text(value) for key, value in row.items()}
    return [_as_text(value) for value in row] if isinstance(row, list) else str(row)
