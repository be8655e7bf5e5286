"""A streamed answer put together from its chunks."""

from google.genai import types


class Assembly:
    """The answer as far as it has come."""

    def __init__(self) -> None:
        self._parts: list[types.Part] = []
        self._finish: types.FinishReason | None = None
        self._usage: types.GenerateContentResponseUsageMetadata | None = None
        self._feedback: types.GenerateContentResponsePromptFeedback | None = None
        self._model: str | None = None
        self._id: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the service said why the answer ends, or why there is none."""
        return self._finish is not None or self._blocked

    @property
    def _blocked(self) -> bool:
        return self._feedback is not None and self._feedback.block_reason is not None

    def add(self, chunk: types.GenerateContentResponse) -> None:
        """Take in the next chunk; counts are totals so far, so the last ones stay."""
        for candidate in (chunk.candidates or [])[:1]:
            self._parts += _parts_of(candidate)
            self._finish = candidate.finish_reason or self._finish
        self._usage = chunk.usage_metadata or self._usage
        self._feedback = chunk.prompt_feedback or self._feedback
        self._model = chunk.model_version or self._model
        self._id = chunk.response_id or self._id

    def reply(self) -> types.GenerateContentResponse:
        """The answer as if it had not been streamed."""
        content = types.Content(role="model", parts=self._parts)
        candidate = types.Candidate(content=content, finish_reason=self._finish)
        return types.GenerateContentResponse(
            candidates=[candidate] if self._finish is not None else None,
            usage_metadata=self._usage,
            prompt_feedback=self._feedback,
            model_version=self._model,
            response_id=self._id,
        )


def text_of(chunk: types.GenerateContentResponse) -> str:
    """What a chunk adds to the text of the answer; thoughts are no part of it."""
    parts = [part for found in (chunk.candidates or [])[:1] for part in _parts_of(found)]
    return "".join(part.text for part in parts if part.text and not part.thought)


def _parts_of(candidate: types.Candidate) -> list[types.Part]:
    return (candidate.content.parts if candidate.content else None) or []
