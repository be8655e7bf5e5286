"""Does a judge agree with people well enough to gate? What was measured, the limits, and the verdict.

A certificate holds its figures and its limits; whether it passes is always computed from them, so a file
whose verdict was edited says nothing that its figures do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date, timedelta
from typing import Final, Literal

from pipex_core.errors import ConfigError
from pipex_core.evals.labelled import Figures, Labelled, Ruler, agreed_cases, figures_of
from pipex_core.jsonvalue import Json, digest, short
from pipex_core.stats.agreement import Agreement

schema_name: Final = "pipex.certificate/1"
fewest_cases: Final = 50
valid_days: Final = 180

State = Literal["valid", "failing", "expired", "other_fingerprint", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a judge must reach.

    Attributes:
        agreement: Smallest kappa or alpha with people.
        agreement_low: Smallest lower end of the interval of the same one.
        test_retest: Smallest share of cases judged the same each time.
        position_consistency: Smallest share of cases judged the same in another order.
        length_bias: Largest partial correlation of score and length, without its sign.
        cases: Fewest labelled cases.
        days: How long the certificate holds.
    """

    agreement: float = 0.6
    agreement_low: float = 0.4
    test_retest: float = 0.9
    position_consistency: float = 0.8
    length_bias: float = 0.3
    cases: int = fewest_cases
    days: int = valid_days


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a judge reached on a labelled suite.

    Attributes:
        made: Day on which it was made.
        expires: First day on which it does not hold any more.
    """

    judge_id: str
    fingerprint: str
    metric: str
    suite_id: str
    suite_digest: str
    figures: Figures
    made: date
    expires: date
    limits: Limits = field(default_factory=Limits)

    @property
    def failures(self) -> list[str]:
        """The limits that are not reached, in words; empty for a judge that may gate."""
        return list(_failures(self.figures, self.limits))

    def document(self) -> dict[str, Json]:
        """The certificate as JSON, ``pipex.certificate/1``."""
        return {
            "schema": schema_name,
            "judge": self.judge_id,
            "fingerprint": self.fingerprint,
            "metric": self.metric,
            "suite": {"id": self.suite_id, "digest": self.suite_digest},
            "figures": asdict(self.figures),
            "limits": asdict(self.limits),
            "passed": not self.failures,
            "failures": self.failures,
            "made": self.made.isoformat(),
            "expires": self.expires.isoformat(),
        }

    @property
    def id(self) -> str:
        """Short digest of all that it says."""
        return short(digest(self.document()))

    def state(self, fingerprint: str, today: date) -> State:
        """May the judge with this fingerprint gate today?"""
        if self.fingerprint != fingerprint:
            return "other_fingerprint"
        if today >= self.expires:
            return "expired"
        return "failing" if self.failures else "valid"


def certificate_from(document: Mapping[str, Json]) -> Certificate:
    """The certificate that ``document`` wrote.

    Raises:
        ConfigError: ``bad_certificate``.
    """
    try:
        figures = dict(document["figures"])
        for name in ("kappa", "alpha", "human_alpha"):
            figures[name] = None if figures[name] is None else Agreement(**figures[name])
        return Certificate(
            judge_id=document["judge"],
            fingerprint=document["fingerprint"],
            metric=document["metric"],
            suite_id=document["suite"]["id"],
            suite_digest=document["suite"]["digest"],
            figures=Figures(**figures),
            limits=Limits(**document["limits"]),
            made=date.fromisoformat(document["made"]),
            expires=date.fromisoformat(document["expires"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ConfigError(f"the certificate cannot be read: {exc}", code="bad_certificate") from exc


def limits_from(raw: Mapping[str, Json]) -> Limits:
    """Limits as somebody wrote them; what is left out is as usual.

    Raises:
        ConfigError: ``bad_option``, an unknown name or a value that is no number.
    """
    known = [one.name for one in fields(Limits)]
    for name, value in raw.items():
        if name not in known:
            message = f"{name!r} is no limit; the limits are {', '.join(known)}"
            raise ConfigError(message, code="bad_option")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ConfigError(
                f"the limit {name} is a number from 0, got {value!r}", code="bad_option"
            )
    return Limits(**raw)


def certify(  # noqa: PLR0913 - what stands on a certificate, all named
    cases: Sequence[Labelled],
    ruler: Ruler,
    *,
    judge_id: str,
    fingerprint: str,
    metric: str,
    suite_id: str,
    suite_digest: str,
    today: date,
    limits: Limits | None = None,
) -> Certificate:
    """The certificate of a judge, whether it passes or not.

    Raises:
        ConfigError: ``too_few_labels``; ``judge_incomplete``, the judge gave too few verdicts;
            ``bad_label``, people and judge do not speak of the same things.
    """
    wanted = limits or Limits()
    figures = figures_of(cases, ruler)
    agreed = agreed_cases(cases)
    if agreed < wanted.cases:
        raise ConfigError(
            f"people have judged {agreed} cases without a tie; a certificate needs {wanted.cases}",
            code="too_few_labels",
        )
    if figures.n < wanted.cases:
        raise ConfigError(
            f"judge {judge_id} has judged {figures.n} of {agreed} labelled cases;"
            f" a certificate needs {wanted.cases}",
            code="judge_incomplete",
        )
    return Certificate(
        judge_id=judge_id,
        fingerprint=fingerprint,
        metric=metric,
        suite_id=suite_id,
        suite_digest=suite_digest,
        figures=figures,
        limits=wanted,
        made=today,
        expires=today + timedelta(days=wanted.days),
    )


def _failures(figures: Figures, limits: Limits) -> Sequence[str]:
    found = []
    best = [one for one in (figures.kappa, figures.alpha) if one is not None]
    if not any(
        one.value >= limits.agreement and (one.low or 0.0) >= limits.agreement_low for one in best
    ):
        shown = ", ".join(f"{one.value:.2f}" for one in best) or "none"
        found.append(
            f"agreement with people is {shown}; it takes {limits.agreement:g}"
            f" with a lower end of {limits.agreement_low:g}"
        )
    found += _below("test-retest", figures.test_retest, limits.test_retest)
    if figures.position_consistency is not None:
        found += _below(
            "position consistency", figures.position_consistency, limits.position_consistency
        )
    if figures.length_bias is not None and abs(figures.length_bias) > limits.length_bias:
        found.append(f"length bias is {figures.length_bias:+.2f}, above {limits.length_bias:g}")
    return found


def _below(name: str, value: float | None, limit: float) -> list[str]:
    if value is not None and value >= limit:
        return []
    return [f"{name} is {'unknown' if value is None else f'{value:.2f}'}, below {limit:g}"]
