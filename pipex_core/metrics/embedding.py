"""Similarity of texts as vectors: of a language model's, or of hashed characters, which needs no model."""

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import Embedder
from pipex_core.metrics.contract import (
    MetricInfo,
    MetricInput,
    OptionInfo,
    Score,
    Scored,
    best,
)
from pipex_core.metrics.options import library_normalize_option, normalize_option
from pipex_core.metrics.words import normalized

default_model: Final = "all-MiniLM-L6-v2"
batch_size: Final = 64
backends: Final = ("sentence-transformers", "wordllama", "python")


class EmbeddingSimilarity:
    """Cosine of the vectors of answer and reference, 0 where it is negative; with ``raw`` as it is.

    Two blank texts are worth 1, one alone 0 (of ``raw`` too). Texts are encoded in batches, and each text
    once.

    Args:
        embedder: Texts to vectors.
    """

    info = MetricInfo(
        name="embedding_similarity",
        summary="cosine of the embeddings of answer and reference",
        needs=frozenset({"output", "reference", "embedder"}),
        default_threshold=0.75,
        cost_class="pool",
        options={
            "model": OptionInfo(
                kind="str",
                default=default_model,
                description="name of an installed model, a folder of weights, or `module:function`",
            ),
            "backend": OptionInfo(kind="str", default=backends[0], choices=backends),
            "raw": OptionInfo(kind="bool", default=False, description="negative cosines too"),
            "normalize": library_normalize_option,
        },
        extra="embeddings",
    )

    def __init__(
        self,
        *,
        embedder: Embedder,
        model: str = default_model,
        backend: str = backends[0],
        raw: bool = False,
        normalize: str = "none",
    ) -> None:
        del model, backend  # they chose the embedder
        self._vectors = Vectors(embedder)
        self._raw = raw
        self._normalize = normalize
        self.info = _with(
            range=(-1.0, 1.0) if raw else (0.0, 1.0),
            identity={"embedder": embedder.name, "weights": embedder.fingerprint},
        )

    def prepare(self, items: Sequence[MetricInput]) -> None:
        """Encode the texts of many items together; ``score`` gives the same without."""
        self._vectors.load(text for item in items for text in self._texts(item) if text.strip())

    def score(self, item: MetricInput) -> Score:
        output, *references = self._texts(item)
        self._vectors.load(text for text in (output, *references) if text.strip())
        return best([self._one(output, one) for one in references])

    def _texts(self, item: MetricInput) -> list[str]:
        return [normalized(text, self._normalize) for text in (item.output or "", *item.references)]

    def _one(self, output: str, reference: str) -> Scored:
        blank = [not text.strip() for text in (output, reference)]
        if any(blank):
            return Scored(value=float(all(blank)))
        found = cosine(self._vectors[output], self._vectors[reference])
        return Scored(value=found if self._raw else max(found, 0.0))


class Vectors:
    """Vectors by text, each made once; the oldest half goes when there are too many."""

    def __init__(self, embedder: Embedder, *, most: int = 20_000) -> None:
        self._embedder = embedder
        self._most = most
        self._known: dict[str, Sequence[float]] = {}
        self._lock = (
            threading.Lock()
        )  # guards ``_known``, and keeps a text from being encoded twice

    def load(self, texts: Iterable[str]) -> None:
        """Make the vectors that are not there yet."""
        with self._lock:
            wanted = dict.fromkeys(texts)
            new = [text for text in wanted if text not in self._known]
            for at in range(0, len(new), batch_size):
                batch = new[at : at + batch_size]
                self._known.update(zip(batch, self._embedder.embed(batch), strict=True))
            if len(self._known) > self._most:
                self._forget(wanted)

    def __getitem__(self, text: str) -> Sequence[float]:
        known = self._known.get(text)
        if known is None:
            self.load([text])
            known = self._known[text]
        return known

    def _forget(self, wanted: Mapping[str, None]) -> None:
        old = [text for text in list(self._known)[: self._most // 2] if text not in wanted]
        for text in old:
            del self._known[text]


class HashedSimilarity:
    """Cosine of the counts of character 3- to 5-grams, which are hashed into 2^18 buckets.

    It sees spelling and not meaning, needs no model, and is the same everywhere. ``n`` is the length of
    the shortest n-grams, two more are added; ``bits`` is the logarithm of the number of buckets. Each text
    stands between blanks, so that short texts have n-grams too.

    Source: Weinberger 2009, https://arxiv.org/abs/0902.2206; the hash is BLAKE2b of eight bytes.
    """

    info = MetricInfo(
        name="hashed_similarity",
        summary="cosine of hashed character n-grams",
        needs=frozenset({"output", "reference"}),
        options={
            "n": OptionInfo(kind="int", default=3, least=1, description="length of the shortest"),
            "bits": OptionInfo(kind="int", default=18, least=1),
            "normalize": normalize_option,
        },
    )

    def __init__(self, *, n: int = 3, bits: int = 18, normalize: str = "nfc") -> None:
        if bits > _hash_bits:
            raise ValueError(f"bits must be at most {_hash_bits}, got {bits}")
        self._lengths = (n, n + 1, n + 2)
        self._mask = (1 << bits) - 1
        self._normalize = normalize

    def score(self, item: MetricInput) -> Score:
        output = self._vector(item.output or "")
        return best(
            [Scored(value=_sparse_cosine(output, self._vector(one))) for one in item.references]
        )

    def _vector(self, text: str) -> Counter[int]:
        if not text:
            return Counter()
        padded = f" {normalized(text, self._normalize)} "
        counts: Counter[int] = Counter()
        for length in self._lengths:
            grams = Counter(padded[at : at + length] for at in range(len(padded) - length + 1))
            for gram, count in grams.items():
                counts[_bucket(gram) & self._mask] += count
        if not counts:
            counts[_bucket(padded) & self._mask] = 1
        return counts


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Of the angle between two vectors, in [-1, 1]; 0 when one has no length."""
    dot = math.fsum(one * other for one, other in zip(left, right, strict=True))
    lengths = math.hypot(*left) * math.hypot(*right)
    return min(max(dot / lengths, -1.0), 1.0) if lengths else 0.0


_hash_bits: Final = 64


def _with(**facts: Json) -> MetricInfo:
    return replace(EmbeddingSimilarity.info, **facts)


@lru_cache(maxsize=1 << 16)
def _bucket(gram: str) -> int:
    data = gram.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=_hash_bits // 8).digest(), "big")


def _sparse_cosine(left: Counter[int], right: Counter[int]) -> float:
    if not left or not right:
        return float(left == right)
    if left == right:
        return 1.0
    few, many = sorted((left, right), key=len)
    dot = sum(count * many[bucket] for bucket, count in few.items())
    norms = [sum(count * count for count in one.values()) for one in (left, right)]
    return dot / math.sqrt(norms[0] * norms[1])
