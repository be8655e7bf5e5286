"""May a journal go on with a job? It must be that of the same suite, plan and target."""

from pipex_core.engine.journal import Journal
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError
from pipex_core.evals.job import EvalJob
from pipex_core.jsonvalue import Json


def check_resume(job: EvalJob, journal: Journal) -> None:
    """Refuse to go on with a journal of another job.

    Raises:
        ConfigError: ``resume_mismatch``, naming what differs.
    """
    header = journal.state.header
    now = identity_of(job)
    changed = [name for name, value in now.items() if header.get(name, value) != value]
    if changed:
        raise ConfigError(
            f"run {job.run_id} was started with another {', '.join(changed)}",
            code="resume_mismatch",
            next_step="start a new run: rows that are still valid are carried over",
        )


def header_of(job: EvalJob, services: Services) -> dict[str, Json]:
    """The ``open`` record of the run's journal."""
    process = services.process
    return {
        "run_id": job.run_id,
        "root_run_id": job.run_id,
        "inputs_digest": job.suite_digest,
        "pipex_version": process.version,
        "host": process.host,
        "pid": process.pid,
        **identity_of(job),
    }


def identity_of(job: EvalJob) -> dict[str, Json]:
    """What must be equal for a run to be resumed."""
    return {
        "suite_digest": job.suite_digest,
        "plan_digest": job.plan_digest,
        "target_digest": job.target.digest,
    }
