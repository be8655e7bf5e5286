"""What an import or export could not carry over, as a document and as text."""

from dataclasses import dataclass

from pipex_core.jsonvalue import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something that was not carried over.

    Attributes:
        where: ``line 12`` or ``record 3``, or the place of a feature.
        feature: What it is; empty for a dropped record.
        effect: What follows, or why a record was dropped.
    """

    where: str
    effect: str
    feature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """What became of a file.

    Attributes:
        n_in: Records read, unreadable ones included.
        renamed_ids: Ids of the source that could not be kept, with the new one.
        lossy_fields: Fields that are not, or not exactly, in the result.
    """

    format: str
    n_in: int
    n_out: int
    dropped: tuple[Loss, ...] = ()
    unsupported: tuple[Loss, ...] = ()
    renamed_ids: tuple[tuple[str, str], ...] = ()
    lossy_fields: tuple[str, ...] = ()

    @property
    def is_strict(self) -> bool:
        """Was everything carried over that ``--strict`` asks for?"""
        return not self.dropped and not self.unsupported

    def as_json(self) -> dict[str, Json]:
        """The report as a document."""
        return {
            "format": self.format,
            "n_in": self.n_in,
            "n_out": self.n_out,
            "dropped": [{"where": one.where, "effect": one.effect} for one in self.dropped],
            "unsupported": [
                {"where": one.where, "feature": one.feature, "effect": one.effect}
                for one in self.unsupported
            ],
            "renamed_ids": [{"from": old, "to": new} for old, new in self.renamed_ids],
            "lossy_fields": list(self.lossy_fields),
        }

    def as_text(self) -> str:
        """The report for a terminal."""
        lines = [
            f"{self.format}: {_counted(self.n_out, 'case')} from {_counted(self.n_in, 'record')}"
        ]
        lines += [f"  dropped {one.where}: {one.effect}" for one in self.dropped]
        lines += [f"  unsupported {o.feature} at {o.where}: {o.effect}" for o in self.unsupported]
        lines += [f"  id {old!r} became {new!r}" for old, new in self.renamed_ids]
        if self.lossy_fields:
            lines.append(f"  not, or not exactly, carried over: {', '.join(self.lossy_fields)}")
        return "\n".join(lines)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
