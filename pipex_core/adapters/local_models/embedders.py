"""Texts to vectors, by models whose weights are installed or lie in a folder; nothing is downloaded."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipex_core.adapters.local_models.weights import digest_of_folder, model_folder
from pipex_core.llm.provider import Embedder

Encode = Callable[[Sequence[str]], Sequence[Sequence[float]]]
batch_size = 64


@dataclass(frozen=True, slots=True)
class FunctionEmbedder:
    """An embedder around a function that encodes a list of texts.

    Attributes:
        fingerprint: Digest of the weights, or whatever else tells this model from another one.
    """

    name: str
    fingerprint: str
    encode: Encode

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector per text ``[texts, dimensions]``, in order."""
        return [list(map(float, vector)) for vector in self.encode(list(texts))]


def sentence_embedder(model: str) -> Embedder:
    """A model of sentence-transformers: a folder, or the name of one that a distribution brings along.

    Raises:
        ImportError: sentence-transformers or the weights are not installed.
    """
    # Looked for first: importing the library takes seconds, and without weights it is of no use.
    folder = model_folder(model)
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    loaded = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

    def encode(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        found: Any = loaded.encode(list(texts), batch_size=batch_size, show_progress_bar=False)
        vectors: Sequence[Sequence[float]] = found.tolist()
        return vectors

    return FunctionEmbedder(model, digest_of_folder(folder), encode)


def word_embedder(model: str) -> Embedder:
    """The static model that comes with wordllama; ``model`` may name a folder of other weights.

    Raises:
        ImportError: wordllama or the weights are not installed.
    """
    from wordllama import WordLlama

    is_folder = Path(model).is_dir()
    if is_folder:
        loaded = WordLlama.load(cache_dir=Path(model), disable_download=True)
    else:
        loaded = WordLlama.load(disable_download=True)

    def encode(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        vectors: Sequence[Sequence[float]] = loaded.embed(list(texts)).tolist()
        return vectors

    weights = digest_of_folder(Path(model)) if is_folder else version("wordllama")
    return FunctionEmbedder("wordllama", weights, encode)


def function_embedder(model: str) -> Embedder:
    """A function ``module:function`` of the environment: list of texts to list of vectors.

    Raises:
        ImportError: There is no such function.
    """
    module, _, attribute = model.partition(":")
    if not attribute:
        raise ImportError(f"the backend `python` needs `model: module:function`, got {model!r}")
    try:
        found: Encode = getattr(import_module(module), attribute)
    except AttributeError as exc:
        raise ImportError(str(exc)) from exc
    code = getattr(found, "__code__", None)
    named = repr(found) if code is None else code.co_code.hex() + repr(code.co_consts)
    digest = hashlib.sha256(f"{model}\n{named}".encode()).hexdigest()
    return FunctionEmbedder(model, digest, found)
