"""A run launcher that notices when the process of a run is gone.

``DefaultRunLauncher`` of Dagster 1.13 has no health check: a run whose code server died with its host
stays STARTED for ever. This one asks the code server whether it still knows the run; two misses in a
row are a failure, which run monitoring then retries. It answers only RUNNING or FAILED, because any
other answer fails the run at once. It is for a single host; on Kubernetes the official launcher does it.
"""

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

misses_until_failed = 2
answer_within_s = 5


class PipexRunLauncher(DefaultRunLauncher):
    """Launches runs through the code server and watches them."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data=inst_data)
        self._misses: dict[str, int] = {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(inst_data=inst_data, **config_value)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """RUNNING while the code server knows the run or has missed once, else FAILED."""
        lost = self._why_lost(run)
        if lost is None:
            self._misses.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        misses = self._misses[run.run_id] = self._misses.get(run.run_id, 0) + 1
        failed = misses >= misses_until_failed
        return CheckRunHealthResult(
            WorkerStatus.FAILED if failed else WorkerStatus.RUNNING, f"lost: {lost}"
        )

    def _why_lost(self, run: dg.DagsterRun) -> str | None:
        try:
            client = self._client_of(run.run_id)
            if client is None:
                return "no code server is on record for the run"
            request = CanCancelExecutionRequest(run_id=run.run_id)
            answer = client.can_cancel_execution(request, timeout=answer_within_s)
        except DagsterUserCodeUnreachableError:
            return "its code server does not answer"
        known = deserialize_value(answer, CanCancelExecutionResult).can_cancel
        return None if known else "its code server does not know it any more"

    def _client_of(self, run_id: str) -> DagsterGrpcClient | None:
        client: DagsterGrpcClient | None = self._get_grpc_client_for_termination(run_id)  # type: ignore[no-untyped-call]  # untyped in Dagster
        return client
