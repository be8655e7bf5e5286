"""Answers shown while they are written: to the step's handler with their text, to all others without."""

from collections.abc import Mapping

from pipex_core.engine.execution import Execution
from pipex_core.engine.services import Watched
from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import Delta
from pipex_core.steps.model_call import is_streaming
from pipex_core.telemetry import RunEvents


class Onlooker:
    """Is shown the deltas of one try of a step, in order, and passes them on.

    The listeners of the run hear how much came, never what: they may log it. A handler that fails is
    passed over, as any listener.
    """

    def __init__(self, execution: Execution, path: str, options: Mapping[str, Json]) -> None:
        streaming = options.get("streaming")
        settings = streaming if isinstance(streaming, Mapping) else {}
        services = execution.services
        self._sink = execution.sink
        self._path = path
        self._has_shown = False
        watcher = services.watchers.get(settings.get("handler", "callback"))
        self._handler: RunEvents | None = None
        if watcher is not None:
            watched = Watched(
                path=path,
                buffer_size=settings.get("buffer_size"),
                write_output=execution.workspace.write_output,
            )
            self._handler = RunEvents(
                run_id=execution.run_id, clock=services.clock, listener=watcher(watched)
            )

    def __call__(self, delta: Delta) -> None:
        self._has_shown = self._has_shown or bool(delta.text)
        facts: dict[str, Json] = {"characters": len(delta.text), "restart": delta.restart}
        self._sink.emit("delta", step=self._path, data=facts)
        self._tell(delta.text, restart=delta.restart)

    def begin_call(self) -> None:
        """Void what was shown: a further call gives the answer that counts."""
        if self._has_shown:
            self(Delta(text="", restart=True))
            self._has_shown = False

    def end(self) -> None:
        """Nothing more comes."""
        self._tell("", is_end=True)

    def _tell(self, text: str, *, restart: bool = False, is_end: bool = False) -> None:
        if self._handler is not None:
            data: dict[str, Json] = {"text": text, "restart": restart, "is_end": is_end}
            self._handler.emit("delta", step=self._path, data=data)


def onlooker(execution: Execution, path: str, options: Mapping[str, Json]) -> Onlooker | None:
    """Who looks on while a step's model answers; None when nobody does."""
    return Onlooker(execution, path, options) if is_streaming(options) else None
