"""Synonyms from the files of WordNet in a folder, read by nltk; nothing is downloaded."""

import threading
import warnings
from functools import lru_cache
from pathlib import Path

from pipex_core.errors import ConfigError


class WordNet:
    """Word to the words that share a meaning with it, itself not necessarily among them.

    Args:
        folder: Holds ``data.noun``, ``index.noun``, ``lexnames`` and their like.

    Raises:
        ImportError: nltk is not installed.
        ConfigError: ``file_not_found``, the folder holds no WordNet.
    """

    def __init__(self, folder: str) -> None:
        import nltk.data
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        if not (Path(folder) / "data.noun").is_file():
            message = f"{folder} holds no WordNet: there is no file data.noun"
            raise ConfigError(message, code="file_not_found")

        class English(WordNetCorpusReader):  # type: ignore[misc]  # nltk has no types
            """Without the mapping of other languages, for which nltk 3.10 wants a second WordNet."""

            def map_wn(self, version: str = "wordnet") -> None:
                """No mapping."""

        # nltk 3.10 reads no folder that is not below one of its own.
        if folder not in nltk.data.path:
            nltk.data.path.append(folder)
        with warnings.catch_warnings():
            # It warns that it knows no other languages, which nobody asked for.
            warnings.simplefilter("ignore")
            self._reader = English(folder, None)
        self._lock = threading.Lock()  # the reader moves through open files
        self._found = lru_cache(maxsize=1 << 16)(self._look_up)

    def __call__(self, word: str) -> frozenset[str]:
        with self._lock:
            return self._found(word)

    def _look_up(self, word: str) -> frozenset[str]:
        return frozenset(
            lemma.name()
            for synset in self._reader.synsets(word)
            for lemma in synset.lemmas()
            if "_" not in lemma.name()
        )
