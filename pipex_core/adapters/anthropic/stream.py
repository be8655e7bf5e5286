"""A streamed message put together from its events.

The SDK's own accumulator reads the input of a tool call as far as it has come, so that a call which was
cut looks like a whole one; here a call is parsed once, when it is complete.
"""

from collections.abc import Mapping
from typing import Any

from pipex_core.jsonvalue import parse

grown = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class Assembly:
    """The message as far as it has come."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._has_stopped = False

    @property
    def is_complete(self) -> bool:
        """Whether the service said that the message ends here, and why."""
        return self._has_stopped and self._message.get("stop_reason") is not None

    def add(self, event: object) -> str:
        """Take in the next event; text that it adds to the answer, or an empty string.

        Raises:
            ValueError: It is no event, or does not fit those before it.
        """
        if not hasattr(event, "model_dump"):
            raise ValueError("an event of the stream is no object")
        try:
            return self._take(event.model_dump(warnings=False, exclude_unset=True))
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError("an event of the stream is not whole") from exc

    def message(self) -> Mapping[str, Any]:
        """The message as if it had not been streamed.

        Raises:
            ValueError: The input of a tool call is no JSON.
        """
        was_cut = self._message["stop_reason"] not in {"tool_use", "end_turn", "pause_turn"}
        for index, text in self._inputs.items():
            try:
                self._blocks[index]["input"] = parse(text) if text.strip() else {}
            except ValueError:
                if not was_cut:
                    raise ValueError("the input of a tool call is no JSON") from None
                self._blocks[index]["input"] = {}
        return {**self._message, "content": [self._blocks[i] for i in sorted(self._blocks)]}

    def _take(self, event: Mapping[str, Any]) -> str:
        match event["type"]:
            case "message_start":
                self._message = dict(event["message"])
                self._message["usage"] = dict(self._message.get("usage") or {})
            case "content_block_start":
                self._blocks[int(event["index"])] = dict(event["content_block"])
            case "content_block_delta":
                return self._grow(event["index"], event["delta"])
            case "message_delta":
                if not isinstance(event["delta"].get("stop_reason", ""), str | None):
                    raise TypeError("a stop reason is a word")
                self._message.update(event["delta"])
                counted = {k: v for k, v in event["usage"].items() if v is not None}
                self._message["usage"].update(counted)
            case "message_stop":
                self._has_stopped = True
            case _:  # pings, ends of blocks, and whatever the service adds
                pass
        return ""

    def _grow(self, index: int, delta: Mapping[str, Any]) -> str:
        block, kind = self._blocks[index], delta["type"]
        if kind == "input_json_delta":
            self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]
        elif kind in grown:
            field = grown[kind]
            block[field] = block.get(field, "") + delta[field]
            return str(delta["text"]) if kind == "text_delta" else ""
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        return ""
