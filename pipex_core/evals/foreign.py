"""Cases made of other tools' data: ids, provenance, and a note of everything that could not be kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipex_core.evals.lossreport import Loss, LossReport
from pipex_core.evals.suite import Case, Suite, hashes
from pipex_core.evals.suiteshape import case_id, read_case, read_suite_fields
from pipex_core.jsonvalue import Json, short
from pipex_core.spec.model import Finding

Sibling = Callable[[str], bytes]  # a file beside the one that is imported; raises ``ConfigError``


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A suite made of another file.

    Attributes:
        answers: Recorded answers by the name of their target, as records of a recorded target.
        targets: Prompt targets that the file describes, by name.
    """

    suite: Suite
    report: LossReport
    answers: Mapping[str, tuple[Mapping[str, Json], ...]] = field(default_factory=dict)
    targets: Mapping[str, Json] = field(default_factory=dict)


class Maker:
    """Makes cases of mapped records and keeps account of what was lost.

    Args:
        form: Name of the format, for provenance and the report.
        file: Name of the file.
        sha256: Of its bytes.
        prefix: Of ids made from content, where the source has none that can serve.
        limit: Most cases; later records are counted as dropped.
    """

    def __init__(
        self,
        *,
        form: str,
        file: str,
        sha256: str,
        prefix: str,
        limit: int | None = None,
    ) -> None:
        self.cases: list[Case] = []
        self.dropped: list[Loss] = []
        self.lossy: set[str] = set()
        self.targets: dict[str, Json] = {}
        self._format = form
        self._source = {"format": form, "file": file, "sha256": sha256}
        self._prefix = prefix
        self._limit = limit
        self._count = 0
        self._ids: set[str] = set()
        self._made: Counter[str] = Counter()
        self._renamed: list[tuple[str, str]] = []
        self._unsupported: dict[Loss, None] = {}
        self._answers: dict[str, list[Mapping[str, Json]]] = {}

    def make(self, where: str, data: Mapping[str, Json]) -> Case | None:
        """The case of some fields, or None when they make none; the report then says why."""
        self._count += 1
        if self._limit is not None and len(self.cases) >= self._limit:
            return None
        fields = {name: value for name, value in data.items() if value is not None and name != "id"}
        fields["source"] = {**self._source, **_line(where), **fields.get("source", {})}
        case, findings = read_case({"id": "x", **fields}, path="")
        if case is None:
            self.dropped.append(Loss(where=where, effect="; ".join(map(_said, findings))))
            return None
        kept = replace(case, id=self._id(data.get("id"), case))
        self.cases.append(kept)
        return kept

    def drop(self, where: str, effect: str) -> None:
        """Note a record that makes no case."""
        self._count += 1
        self.dropped.append(Loss(where=where, effect=effect))

    def unsupported(self, where: str, feature: str, effect: str) -> None:
        """Note something that has no counterpart."""
        self._unsupported[Loss(where=where, feature=feature, effect=effect)] = None

    def answer(self, target: str, case: Case, output: Json, **facts: Json) -> None:
        """Keep a recorded answer of a case."""
        record = {"case_id": case.id, "input_hash": hashes(case).input_hash, "output": output}
        more = {name: value for name, value in facts.items() if value is not None}
        self._answers.setdefault(target, []).append({**record, **more})

    def imported(
        self, suite: str, *, fields: Mapping[str, Json] | None = None, lossy: Iterable[str] = ()
    ) -> Imported:
        """The suite and its report.

        Args:
            suite: Its id.
            fields: Further fields of the suite, as its file would hold them.
            lossy: Fields that no rule reads.
        """
        head, findings = read_suite_fields(fields or {}, default_id=suite)
        for finding in findings:
            self.unsupported(finding.path or "suite", finding.code, finding.message)
        if findings:
            head, _ = read_suite_fields({}, default_id=suite)
        unreadable = sum(one.feature == "unreadable" for one in self.dropped)
        report = LossReport(
            format=self._format,
            n_in=self._count + unreadable,
            n_out=len(self.cases),
            dropped=tuple(self.dropped),
            unsupported=tuple(self._unsupported),
            renamed_ids=tuple(self._renamed),
            lossy_fields=tuple(sorted({*self.lossy, *lossy})),
        )
        cases = tuple(sorted(self.cases, key=lambda case: case.id))
        answers = {name: tuple(records) for name, records in self._answers.items()}
        made = Suite(**{**head, "id": suite}, cases=cases)
        return Imported(suite=made, report=report, answers=answers, targets=dict(self.targets))

    def _id(self, wanted: Json, case: Case) -> str:
        """The source's id when it can serve, else one made from the content."""
        text = str(wanted) if isinstance(wanted, int | str) and not isinstance(wanted, bool) else ""
        if case_id.fullmatch(text) and text not in self._ids:
            self._ids.add(text)
            return text
        stem = f"{self._prefix}_{short(hashes(case).input_hash)}"
        made = stem
        while made in self._ids:
            self._made[stem] += 1
            made = f"{stem}-{self._made[stem] + 1}"
        self._ids.add(made)
        if wanted is not None:
            self._renamed.append((str(wanted), made))
        return made


def _line(where: str) -> dict[str, Json]:
    word, _, number = where.partition(" ")
    return {"line": int(number)} if word in ("line", "record") and number.isdecimal() else {}


def _said(finding: Finding) -> str:
    return finding.message
