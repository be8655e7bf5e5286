"""Judgements of answers that are labels: equal or not, and what that says over the whole suite.

The case value is whether the predicted label is the reference's. Over the suite the pairs of labels make
a confusion matrix, from which the corpus values are computed as scikit-learn does. A prediction that is
none of the labels is a class of its own, ``invalid``: it is never right, and it counts.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipex_core.jsonvalue import Json, type_name
from pipex_core.metrics.contract import (
    Corpus,
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    Unscored,
)
from pipex_core.metrics.options import ignore_case_option

invalid: Final = "invalid"
most_classes: Final = 50  # whose numbers are rows of the table; the details hold all

_options: Final[Mapping[str, OptionInfo]] = {
    "labels": OptionInfo(kind="list", description="the labels, by default those of the references"),
    "aliases": OptionInfo(kind="map", default={}, description="other word to label"),
    "ignore_case": ignore_case_option,
}


class Accuracy:
    """1 if the answer is the label of the reference, blanks around it stripped, else 0.

    ``aliases`` maps other words to labels. Over the suite: the share of right answers, with
    ``balanced_accuracy`` (the mean recall of the classes that occur) and the confusion matrix, reference
    by row.
    """

    info = MetricInfo(
        name="accuracy",
        summary="1 if the answer is the label of the reference, else 0",
        needs=frozenset({"output", "reference"}),
        levels=("case", "corpus"),
        options=_options,
    )
    _right = 1.0
    _wrong = 0.0

    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        aliases: Mapping[str, Json] | None = None,
        ignore_case: bool = False,
    ) -> None:
        self._ignore_case = ignore_case
        self._labels = None if labels is None else {self._plain(one): one for one in labels}
        self._aliases: dict[str, str] = {
            self._plain(word): label for word, label in (aliases or {}).items()
        }
        if labels is not None and len(self._labels or ()) < len(labels):
            raise ValueError("labels must differ from one another")
        for word, label in self._aliases.items():
            known = (
                type_name(label) == "string" if self._labels is None else label in (labels or ())
            )
            if not known:
                raise ValueError(f"the alias {word!r} stands for {label!r}, which is no label")

    def score(self, item: MetricInput) -> Score:
        wanted = [label for one in item.references if (label := self._label(one)) is not None]
        if not wanted:
            reason = f"the reference {item.references[0][:80]!r} is none of the labels"
            return Unscored(code="bad_reference", reason=reason)
        given = self._label(item.output or "")
        if given is None:
            details = {"reference": wanted[0], "predicted": invalid}
            return Scored(value=self._wrong, label=invalid, details=details)
        is_right = given in wanted
        details = {"reference": given if is_right else wanted[0], "predicted": given}
        return Scored(value=self._right if is_right else self._wrong, details=details)

    def aggregate(self, items: Sequence[tuple[MetricInput, Scored]]) -> Corpus | None:
        counted = self._confusion(items)
        return None if counted is None else self._whole(counted)

    def _whole(self, counted: "Confusion") -> Corpus:
        recalls = [one.recall for one in counted.classes().values() if one.support]
        return Corpus(
            value=counted.right / counted.total,
            submetrics={"balanced_accuracy": math.fsum(recalls) / len(recalls)},
            details={"confusion": counted.document()},
        )

    def _confusion(self, items: Sequence[tuple[MetricInput, Scored]]) -> "Confusion | None":
        """The pairs of labels; without a list of labels a prediction that no reference has is invalid."""
        if not items:
            return None
        known = set((self._labels or {}).values())
        known |= {score.details["reference"] for _, score in items}
        pairs: Counter[tuple[str, str]] = Counter()
        # A label may itself be called "invalid"; what is no label is then another class.
        none = f"({invalid})" if invalid in known else invalid
        for _, score in items:
            given = score.details["predicted"]
            is_known = score.label != invalid and given in known
            pairs[score.details["reference"], given if is_known else none] += 1
        return Confusion(pairs, last=none)

    def _label(self, text: str) -> str | None:
        word = self._plain(text)
        if word in self._aliases:
            return self._aliases[word]
        return word if self._labels is None else self._labels.get(word)

    def _plain(self, text: str) -> str:
        return text.strip().casefold() if self._ignore_case else text.strip()


class ClassificationF1(Accuracy):
    """As ``accuracy`` for one answer; over the suite F1 of the labels.

    ``macro`` is the mean over all classes that occur as reference or prediction, ``weighted`` the same by
    their number of references, ``micro`` counts all answers alike, ``binary`` is that of the label
    ``positive``. A class without a prediction has precision 0.

    Source: scikit-learn, ``precision_recall_fscore_support`` with ``zero_division=0``.
    """

    info = replace(
        Accuracy.info,
        name="classification_f1",
        summary="1 if the answer is the label of the reference; F1 over the suite",
        options={
            **_options,
            "average": OptionInfo(
                kind="str", default="macro", choices=("macro", "micro", "weighted", "binary")
            ),
            "positive": OptionInfo(kind="str", description="the label that `binary` looks for"),
        },
    )

    def __init__(
        self, *, average: str = "macro", positive: str | None = None, **options: Json
    ) -> None:
        super().__init__(**options)
        if (average == "binary") != (positive is not None):
            raise ValueError("`positive` names the label of `average: binary`, and of no other")
        self._average = average
        self._positive = None if positive is None else self._label(positive)
        if positive is not None and self._positive is None:
            raise ValueError(f"positive {positive!r} is none of the labels")

    def _whole(self, counted: "Confusion") -> Corpus:
        classes = counted.classes()
        average = self._averaged(counted, classes)
        rows = dict(list(classes.items())[:most_classes])
        return Corpus(
            value=average.f1,
            submetrics={
                "precision": average.precision,
                "recall": average.recall,
                **{
                    f"{name}[{label}]": getattr(one, name)
                    for label, one in rows.items()
                    for name in ("precision", "recall", "f1")
                },
            },
            details={
                "classes": {
                    label: {
                        "precision": one.precision,
                        "recall": one.recall,
                        "f1": one.f1,
                        "support": one.support,
                    }
                    for label, one in classes.items()
                },
                "confusion": counted.document(),
            },
        )

    def _averaged(self, counted: "Confusion", classes: Mapping[str, "Class"]) -> "Class":
        if self._average == "binary":
            return classes.get(self._positive or "", nobody)
        if self._average == "micro":
            share = counted.right / counted.total
            return Class(precision=share, recall=share, f1=share, support=counted.total)
        weights = [one.support if self._average == "weighted" else 1 for one in classes.values()]

        def mean(values: Sequence[float]) -> float:
            products = (weight * value for weight, value in zip(weights, values, strict=True))
            return math.fsum(products) / sum(weights)

        return Class(
            precision=mean([one.precision for one in classes.values()]),
            recall=mean([one.recall for one in classes.values()]),
            f1=mean([one.f1 for one in classes.values()]),
            support=counted.total,
        )


class Mcc(Accuracy):
    """1 if the answer is the label of the reference, else -1; over the suite Matthews' correlation.

    0 when all references, or all predictions, are of one class.

    Source: Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006, as scikit-learn computes it.
    """

    info = replace(
        Accuracy.info,
        name="mcc",
        summary="1 or -1 for one answer; Matthews correlation over the suite",
        range=(-1.0, 1.0),
    )
    _wrong = -1.0

    def _whole(self, counted: "Confusion") -> Corpus:
        rows, columns = counted.sums()
        labels = counted.labels
        covariance = counted.right * counted.total - sum(
            rows[label] * columns[label] for label in (labels or ())
        )
        spread_rows = counted.total**2 - sum(rows[label] ** 2 for label in labels)
        spread_columns = counted.total**2 - sum(columns[label] ** 2 for label in labels)
        spread = math.sqrt(spread_rows * spread_columns)
        return Corpus(
            value=covariance / spread if spread else 0.0,
            details={"confusion": counted.document()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """Numbers of one class; ``support`` counts its references."""

    precision: float
    recall: float
    f1: float
    support: int


nobody: Final = Class(precision=0.0, recall=0.0, f1=0.0, support=0)


class Confusion:
    """Counts of (reference, prediction); labels are sorted, the class of what is no label stands last."""

    def __init__(self, pairs: Counter[tuple[str, str]], *, last: str) -> None:
        found = {label for pair in pairs for label in pair}
        self.labels = sorted(found, key=lambda label: (label == last, label))
        self.total = pairs.total()
        self.right = sum(count for (wanted, given), count in pairs.items() if wanted == given)
        self._pairs = pairs

    def sums(self) -> tuple[Counter[str], Counter[str]]:
        """References and predictions by label."""
        rows: Counter[str] = Counter()
        columns: Counter[str] = Counter()
        for (wanted, given), count in self._pairs.items():
            rows[wanted] += count
            columns[given] += count
        return rows, columns

    def classes(self) -> dict[str, Class]:
        """The numbers of each class that occurs."""
        rows, columns = self.sums()
        return {label: self._class(label, rows[label], columns[label]) for label in self.labels}

    def document(self) -> dict[str, Json]:
        """The matrix as JSON: ``matrix[reference][prediction]`` in the order of ``labels``."""
        matrix = [[self._pairs[wanted, given] for given in self.labels] for wanted in self.labels]
        return {"labels": self.labels, "matrix": matrix}

    def _class(self, label: str, wanted: int, given: int) -> Class:
        right = self._pairs[label, label]
        return Class(
            precision=right / given if given else 0.0,
            recall=right / wanted if wanted else 0.0,
            f1=2 * right / (given + wanted),
            support=wanted,
        )
