"""The vendors' own SDKs pointed at a server on loopback, and one call through the client with its money."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pipex_core.llm
from pipex_core.adapters.anthropic import AnthropicProvider
from pipex_core.adapters.gemini import GeminiProvider
from pipex_core.llm.client import LlmClient, NullCallLog, Reply
from pipex_core.llm.cost import Budget, Ledger
from pipex_core.llm.guard import Limits
from pipex_core.llm.limits import RetryPolicy
from pipex_core.llm.prices import PriceTable
from pipex_core.llm.provider import Request
from tests.fakes.clock import ManualClock
from tests.fakes.provider_server import good_key

Value = TypeVar("Value")
price_file = Path(pipex_core.llm.__path__[0]) / "prices.yaml"


def provider_for(
    request: Request, url: str, *, key: str = good_key, idle_s: float = 60.0
) -> AnthropicProvider | GeminiProvider:
    """The adapter of the request's vendor, with a server in the vendor's place."""
    if request.provider == "anthropic":
        return AnthropicProvider(api_key=key, base_url=url, idle_s=idle_s)
    return GeminiProvider(api_key=key, base_url=url, idle_s=idle_s)


def with_provider(
    url: str,
    request: Request,
    work: Callable[[AnthropicProvider | GeminiProvider], Coroutine[Any, Any, Value]],
    **how: Any,
) -> Value:
    """What ``work`` makes of the adapter, which is closed after it."""

    async def run() -> Value:
        provider = provider_for(request, url, **how)
        try:
            return await work(provider)
        finally:
            await provider.aclose()

    return asyncio.run(run())


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Calls through the client with the prices that ship, and what they left behind."""

    replies: list[Reply]
    ledger: Ledger
    clock: ManualClock


def called(  # noqa: PLR0913 - the manners of a call
    url: str,
    request: Request,
    *,
    retry: RetryPolicy | None = None,
    limits: Limits | None = None,
    cap_usd: str = "2",
    times: int = 1,
    shown: Callable[[Any], None] | None = None,
) -> Called:
    """``times`` calls in turn through the client; the last failure is raised."""
    clock, ledger = ManualClock(auto=True), Ledger(Budget(max_cost_usd=Decimal(cap_usd)))
    prices = PriceTable.from_text(price_file.read_text(encoding="utf-8"))

    async def work(provider: AnthropicProvider | GeminiProvider) -> list[Reply]:
        client = LlmClient(
            providers={request.provider: provider},
            clock=clock,
            rng=random.Random(1),
            prices=prices,
            limits=limits,
        )
        return [
            await client.call(
                request,
                log=NullCallLog(),
                ledger=ledger,
                retry=retry or RetryPolicy(max_retries=0),
                on_delta=shown,
            )
            for _ in range(times)
        ]

    return Called(replies=with_provider(url, request, work), ledger=ledger, clock=clock)
