"""Steps of one model call: ``claude`` and ``gemini``."""

from typing import Final

from pipex_core.spec.model import FieldShape, StepShape
from pipex_core.spec.option_fields import claude_options, ignored, integer, text, token_budget
from pipex_core.steps.contract import Outcome, StepContext
from pipex_core.steps.model_call import Asked, ask, prompt_text, request_of

_prompt: Final = FieldShape(kind="prompt", types=("str", "list"), required=True)


class Claude:
    """One call to a Claude model: text in, text out, with the JSON of the reply where it is one."""

    shape = StepShape(
        type="claude",
        summary="Ask a Claude model.",
        is_model=True,
        family="claude",
        fields={
            "prompt": _prompt,
            "claude_options": claude_options,
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        own = ctx.step.get("claude_options", {})
        if own.get("allowed_tools"):
            ctx.warn("ignored_field", "tools are not offered: the model answers in one turn")
        request = request_of(ctx, prompt_text(ctx), vendor="anthropic")
        return await ask(
            ctx,
            Asked(
                request=request,
                fallback_model=ctx.options.get("fallback_model"),
                schema=ctx.step.get("output_schema"),
                repairs=ctx.step.get("repair", 0),
                must_be_json=ctx.options.get("output_format") == "json",
            ),
        )


class Gemini:
    """One call to a Gemini model: text in, text out, with the JSON of the reply where it is one."""

    shape = StepShape(
        type="gemini",
        summary="Ask a Gemini model.",
        is_model=True,
        family="gemini",
        fields={
            "prompt": _prompt,
            "model": text(),
            "token_budget": token_budget,
            "functions": ignored(),
            "timeout_ms": integer(1),
        },
    )

    async def run(self, ctx: StepContext) -> Outcome:
        request = request_of(ctx, prompt_text(ctx), vendor="gemini")
        return await ask(
            ctx,
            Asked(
                request=request,
                schema=ctx.step.get("output_schema"),
                repairs=ctx.step.get("repair", 0),
            ),
        )
