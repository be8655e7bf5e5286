"""Sessions of a run: what earlier runs kept of them, and what the steps of this one said.

What was said travels in the records of the steps that said it, so a resumed run and a run whose steps are
processes of their own know it without asking anybody. The store is written behind each record; a crash
in between is made up for when the record is read again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipex_core.engine.execution import Execution
from pipex_core.engine.records import StepRecord
from pipex_core.engine.view import View
from pipex_core.errors import StoreError
from pipex_core.llm.session import Said, Session, SessionStore


def session_in(view: View, execution: Execution, name: str, *, fresh: bool = False) -> Session:
    """A session as a step with this view sees it; see ``session_of``."""
    return session_of(execution.sessions, execution.run_id, view.said, name, fresh=fresh)


async def keep_said(record: StepRecord, path: str, view: View, execution: Execution) -> None:
    """Keep the sessions that a finished step went on with, for later runs.

    The step succeeded and its record is durable, so what cannot be kept is a warning.
    """
    store = execution.sessions
    if store is None or not record.said:
        return
    said = (*view.said, *record.said)
    names = [one.session for one in record.said]
    try:
        with execution.services.hold():
            await asyncio.to_thread(keep_sessions, store, execution.run_id, said, names)
    except StoreError as error:
        message = f"the sessions of {path} were not kept for later runs: {error.message}"
        execution.warn(error.code, message, step=path)


def session_of(
    store: SessionStore | None, run_id: str, said: Sequence[Said], name: str, *, fresh: bool = False
) -> Session:
    """A session as the next step sees it.

    Args:
        store: What earlier runs kept; None where sessions end with the run.
        run_id: Of this run, whose turns in the store do not count: its records have them.
        said: By steps of this run, in order; of any session.
        name: Of the session.
        fresh: Whether what earlier runs kept is left out.

    Raises:
        StoreError: What earlier runs kept cannot be read.
    """
    own = [one for one in said if one.session == name]
    before = Session(name=name)
    if store is not None and not fresh and not any(one.is_fresh for one in own):
        before = store.load(name).kept(run_id=run_id, is_finished=lambda _: False)
    turns = tuple(turn for one in own for turn in one.turns)
    return replace(before, turns=(*before.turns, *turns))


def keep_sessions(
    store: SessionStore, run_id: str, said: Sequence[Said], names: Iterable[str]
) -> None:
    """Keep these sessions for later runs, without what was not to outlive this one.

    Raises:
        StoreError: One of them cannot be read or kept.
    """
    lasting = [one for one in said if one.persists]
    for name in dict.fromkeys(names):
        if any(one.session == name for one in lasting):
            store.save(session_of(store, run_id, lasting, name))
