"""The price table against the public price lists, by hand."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import pipex_core.llm
from pipex_core.errors import ConfigError
from pipex_core.llm.prices import PriceTable, input_bound
from pipex_core.llm.provider import Message, Request, ToolCall, ToolDefinition, Usage

text = (Path(pipex_core.llm.__path__[0]) / "prices.yaml").read_text(encoding="utf-8")
small = """
as_of: 2026-01-31
models:
  - provider: anthropic
    match: [m, "m-####"]
    valid_from: 2026-01-01
    input: "1"
    output: "2"
    cache_read: "0.5"
"""


@pytest.fixture(scope="module")
def table() -> PriceTable:
    return PriceTable.from_text(text)


@pytest.mark.parametrize(
    ("model", "usage", "nanousd"),
    [
        # 1 000 * 0.10 + 200 * 0.50 USD per million = 0.0002 USD
        ("claude-haiku-5-5", Usage(input=1000, output=200), 200_000),
        # at the threshold the tier is not reached yet: 100 000 * 0.10 = 0.01 USD
        ("claude-haiku-5-5", Usage(input=100_000), 10_000_000),
        # one token more, and all of them have the tier's price: 100 001 * 0.50 + 10 * 2.50
        ("claude-haiku-5-5", Usage(input=100_001, output=10), 50_025_500),
        # the threshold counts cached tokens too: 1 * 0.50 + 100 000 * 0.05
        ("claude-haiku-5-5", Usage(input=1, cache_read=100_000), 5_000_500),
        # 10 * 2 + 100 * 0.10 + 1 000 * 2.50 + 10 * 4 + 7 * 10 = 2 640 per million
        (
            "claude-sonnet-5-5",
            Usage(
                input=10,
                cache_read=100,
                cache_write_5m=1000,
                cache_write_1h=10,
                output=7,
                thinking=5,
            ),
            2_640_000,
        ),
        ("claude-sonnet-5", Usage(cache_read=1000), 200_000),
        ("claude-sonnet-5-5", Usage(cache_read=1000), 100_000),
        # 3 * 0.075 = 0.225 USD per million = 225 nano-USD
        ("gemini-3.8-flash", Usage(cache_read=3), 225),
        # 200 001 * 4 + 1 * 18 per million
        ("gemini-3.1-pro-preview", Usage(input=200_001, output=1), 800_022_000),
        ("gemini-2.5-pro", Usage(input=200_001, output=1), 500_017_500),
        ("claude-opus-5-5", Usage(input=1_000_000, output=1_000_000), 24_000_000_000),
        ("claude-mythos-5-2", Usage(input=1_000_000, output=1_000_000), 48_000_000_000),
    ],
)
def test_costs_agree_with_the_public_price_lists(
    table: PriceTable, model: str, usage: Usage, nanousd: int
) -> None:
    cost = table.cost(usage, model)
    assert (cost.nanousd, cost.known) == (nanousd, True)


def test_a_cost_is_rounded_up_once() -> None:
    table = PriceTable.from_text(small.replace('"0.5"', '"0.0001"'))
    # 3 * 0.0001 USD per million is 0.3 nano-USD; twice 0.1 + 0.2 would round to 2
    assert table.cost(Usage(cache_read=3), "m").nanousd == 1


def test_dated_forms_have_the_price_of_their_model(table: PriceTable) -> None:
    dated = table.find("claude-haiku-4-5-20251001")
    assert dated is not None
    assert dated == table.find("claude-haiku-4-5")
    assert table.find("claude-haiku-4-5-2025100x") is None


def test_an_unknown_model_has_the_highest_rate_of_each_class(table: PriceTable) -> None:
    # highest of the list: input 8, output 40, cache read 0.50, cache writes 10 and 16
    usage = Usage(input=1, output=1, cache_read=1, cache_write_5m=1, cache_write_1h=1)
    cost = table.cost(usage, "gpt-99")
    assert (cost.nanousd, cost.known) == (74_500, False)
    assert cost.price_id == table.highest.id


def test_the_price_in_force_on_a_day_is_taken() -> None:
    later = small.split("models:")[1].replace("2026-01-01", "2026-02-01").replace('"1"', '"3"')
    table = PriceTable.from_text(small + later.lstrip("\n"))
    usage = Usage(input=1000)
    assert table.cost(usage, "m", on=date(2026, 1, 31)).nanousd == 1_000_000
    assert table.cost(usage, "m", on=date(2026, 2, 1)).nanousd == 3_000_000
    assert table.cost(usage, "m", on=date(2020, 1, 1)).nanousd == 1_000_000


def test_an_overlay_replaces_the_rows_of_its_models(table: PriceTable) -> None:
    own = PriceTable.from_text(small.replace("[m, ", "[claude-opus-5, "))
    joined = table.overlaid(own)
    assert joined.cost(Usage(input=1000), "claude-opus-5").nanousd == 1_000_000
    assert joined.cost(Usage(input=1000), "claude-opus-5-5").nanousd == 4_000_000
    assert len(joined.prices) == len(table.prices)
    assert joined.as_of == max(own.as_of, table.as_of)


def test_a_table_is_stale_after_90_days(table: PriceTable) -> None:
    assert table.as_of == date(2026, 11, 23)
    assert not table.is_stale(date(2027, 2, 21))
    assert table.is_stale(date(2027, 2, 22))


def test_batch_calls_cost_half(table: PriceTable) -> None:
    assert {price.batch for price in table.prices} == {Decimal("0.5")}


def test_the_price_id_changes_with_the_row_only() -> None:
    first = PriceTable.from_text(small).prices[0].id
    assert PriceTable.from_text(small.replace("2026-01-31", "2026-03-31")).prices[0].id == first
    assert PriceTable.from_text(small.replace('"2"', '"2.5"')).prices[0].id != first


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("models:", "models: [", "not YAML"),
        ("models:", "rows:", "expected a map"),
        ("as_of: 2026-01-31", "as_of: soon", "as_of: 'soon' is no date"),
        ("input:", "inptu:", "model 1: unknown field 'inptu'"),
        ('    output: "2"\n', "", "model 1: output is missing"),
        ('"2"', '"two"', "'two' is no number"),
        ('"2"', '"-2"', "'-2' is no price"),
        ('"2"', '"NaN"', "'NaN' is no price"),
        ('[m, "m-####"]', "m", "match must be a list"),
        ('[m, "m-####"]', "[]", "match must be a list"),
    ],
)
def test_a_wrong_table_says_which_row_is_wrong(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match="price table: ") as caught:
        PriceTable.from_text(small.replace(old, new))
    assert message in caught.value.message
    assert caught.value.code == "invalid_prices"


def test_rows_must_be_maps_and_there_must_be_one() -> None:
    for rows in ("models: [3]", "models: []"):
        with pytest.raises(ConfigError):
            PriceTable.from_text(f"as_of: 2026-01-31\n{rows}")


def request(**changes: object) -> Request:
    values: dict[str, object] = {
        "provider": "anthropic",
        "model": "claude-haiku-5-5",
        "messages": [Message(role="user", text="größe")],  # 7 bytes
        "max_tokens": 100,
        **changes,
    }
    return Request(**values)  # type: ignore[arg-type]  # the fields are those of the defaults


def test_the_input_bound_counts_bytes_and_32_per_message() -> None:
    assert input_bound(request()) == 7 + 32
    assert input_bound(request(system="abc")) == 3 + 7 + 32
    two = [Message(role="user", text="a"), Message(role="assistant", text="bc")]
    assert input_bound(request(messages=two)) == 1 + 32 + 2 + 32


def test_the_input_bound_adds_600_for_a_schema_or_tools() -> None:
    schema = {"type": "object"}
    form = len('{"schema":{"type":"object"},"tools":[]}')
    assert input_bound(request(schema=schema)) == 7 + 32 + form + 600
    tool = ToolDefinition(name="t", description="d", parameters={})
    form = len('{"schema":null,"tools":[{"description":"d","name":"t","parameters":{}}]}')
    assert input_bound(request(tools=[tool])) == 7 + 32 + form + 600


def test_the_input_bound_counts_earlier_tool_calls() -> None:
    call = ToolCall(id="1", name="t", arguments={"a": 1})
    turn = Message(role="assistant", text="", tool_calls=[call])
    assert input_bound(request(messages=[turn])) == 32 + len(
        '[[{"arguments":{"a":1},"id":"1","name":"t"}]]'
    )


def test_the_bound_is_priced_at_the_tier_it_reaches(table: PriceTable) -> None:
    # 39 * 0.10 + 100 * 0.50 = 53.9 USD per million
    bound = table.bound(request())
    assert (bound.nanousd, bound.tokens, bound.calls) == (53_900, 139, 1)
    # 100 032 tokens of prompt: 100 032 * 0.50 + 100 * 2.50 = 50 266 USD per million
    long = [Message(role="user", text="x" * 100_000)]
    assert table.bound(request(messages=long)).nanousd == 50_266_000


def test_the_input_bound_counts_a_turn_that_goes_back_as_the_vendor_wrote_it() -> None:
    turn = Message(role="assistant", text="", parts=[{"signature": "x" * 100}])
    with_parts = Request(provider="anthropic", model="m", messages=[turn])
    without = Request(
        provider="anthropic", model="m", messages=[Message(role="assistant", text="")]
    )
    # [{"signature":"..."}] in a list of turns is 20 bytes around the 100
    assert input_bound(with_parts) - input_bound(without) == 120
