"""What a step sees of its run, as plain JSON, so that it can travel between processes.

A view is a value: the record of a finished step makes a new one. The same records in the same order
give the same view, whether they come from memory, a journal or another process.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipex_core.engine.records import StepRecord
from pipex_core.expressions.scope import Scope
from pipex_core.jsonvalue import Json
from pipex_core.llm.session import Said
from pipex_core.spec.model import PipelineSpec, StepSpec
from pipex_core.steps.blocks import Inside, Written, with_sessions

workflow_names = ("name", "description", "version", "metadata", "tags", "author")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Names and values at one place of a run; every field is JSON.

    Attributes:
        run: ``id``, ``timestamp`` and ``date`` of the run.
        variables: Of the whole run.
        session: Variables kept across runs, by name of the session.
        own_sessions: The sessions whose variables the steps of this pipeline may name.
        loop_variables: Those that end with the iteration.
        said: Exchanges of sessions in this run, in order.
        steps: Records (section 16.1) of the steps that have finished, by name.
        aliases: Output field to the name of its step.
        local: Names of enclosing loops.
    """

    run: Mapping[str, Json]
    inputs: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    session: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    own_sessions: tuple[str, ...] = ()
    loop_variables: Mapping[str, Json] = field(default_factory=dict)
    said: Sequence[Said] = ()
    steps: Mapping[str, Json] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    global_vars: Mapping[str, Json] = field(default_factory=dict)
    workflow: Mapping[str, Json] = field(default_factory=dict)
    local: Mapping[str, Json] = field(default_factory=dict)
    loop: Mapping[str, Json] | None = None

    @classmethod
    def first(
        cls,
        spec: PipelineSpec,
        inputs: Mapping[str, Json],
        *,
        run: Mapping[str, Json],
        session: Mapping[str, Mapping[str, Json]] | None = None,
    ) -> "View":
        """What the first step of a pipeline sees.

        Args:
            spec: The pipeline.
            inputs: Effective ones; an input with the name of a variable replaces its initial value.
            run: ``run_names`` of the root run.
            session: What earlier runs kept, by name of each session that the pipeline writes.
        """
        variables = spec.get("variables", {})
        return cls(
            run=run,
            inputs=inputs,
            variables={name: inputs.get(name, value) for name, value in variables.items()},
            session=session or {},
            own_sessions=tuple(session or ()),
            global_vars=spec.get("global_vars", {}),
            workflow={"name": spec.name, **{n: spec.get(n) for n in workflow_names[1:]}},
        )

    def with_records(self, records: Iterable[StepRecord]) -> "View":
        """The view after these steps, in this order."""
        steps, variables, aliases = dict(self.steps), dict(self.variables), dict(self.aliases)
        session, loop_variables = self.session, dict(self.loop_variables)
        said = list(self.said)
        for record in records:
            steps[record.name] = record.as_json()
            variables.update(record.variables)
            session = with_sessions(session, record.session)
            loop_variables.update(record.loop_variables)
            said += record.said
            aliases.update(dict.fromkeys(record.aliases, record.name))
        return replace(
            self,
            steps=steps,
            variables=variables,
            session=session,
            loop_variables=loop_variables,
            said=tuple(said),
            aliases=aliases,
        )

    def inside(self, inside: Inside) -> "View":
        """The view of a place inside of the step that has this one."""
        after = self._written().then(inside.written)
        return replace(
            self,
            local={**self.local, **inside.local},
            loop=self.loop if inside.loop is None else inside.loop,
            variables=after.variables,
            session=after.session,
            loop_variables=after.loop,
            said=after.said,
            steps={**self.steps, **inside.records},
            aliases={**self.aliases, **inside.aliases},
        )

    def _written(self) -> Written:
        return Written(
            variables=self.variables,
            session=self.session,
            loop=self.loop_variables,
            said=self.said,
        )

    def _all_variables(self) -> Mapping[str, Json]:
        """By name, the nearer ones over the others."""
        if not self.own_sessions and not self.loop_variables:
            return self.variables
        names = dict(self.variables)
        for session in self.own_sessions:
            names.update(self.session.get(session, {}))
        return {**names, **self.loop_variables}

    def scope(
        self, step: StepSpec | None = None, *, attempt: int = 1, now: Callable[[], datetime]
    ) -> Scope:
        """The names that the expressions of ``step`` (or of the workflow) may use."""
        own = None if step is None else {"name": step.name, "type": step.type, "attempt": attempt}
        return Scope(
            local=self.local,
            loop=self.loop,
            variables=self._all_variables(),
            inputs=self.inputs,
            steps=self.steps,
            aliases=self.aliases,
            global_vars=self.global_vars,
            workflow=self.workflow,
            run=self.run,
            step=own,
            now=now,
        )


def run_names(run_id: str, started: datetime) -> dict[str, Json]:
    """The names of section 5.3 that a run has: the same ones after a resume."""
    return {
        "id": run_id,
        "timestamp": started.strftime("%Y%m%dT%H%M%SZ"),
        "date": started.strftime("%Y-%m-%d"),
    }
