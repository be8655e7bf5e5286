"""Metrics that need something from outside, with that something: files, models, a database, other rooms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from pipex_core.app.files import read_text
from pipex_core.errors import SpecError
from pipex_core.evals.personal import find_personal
from pipex_core.jsonvalue import Json
from pipex_core.llm.provider import Embedder
from pipex_core.metrics.conduct import BannedTerms, PiiFree
from pipex_core.metrics.contract import Metric, MetricInfo
from pipex_core.metrics.embedding import EmbeddingSimilarity, backends, default_model
from pipex_core.metrics.meteor import Meteor
from pipex_core.metrics.perplexity import Perplexity, Scorer
from pipex_core.metrics.sql import SqlEquivalent
from pipex_core.metrics.structured import YamlValid
from pipex_core.spec.yaml_text import read_yaml

Options = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Supplied:
    """A metric type whose options are completed with what it needs from outside.

    Attributes:
        kind: The class of the metric.
        supply: Options of an entry to the arguments of the class.
    """

    kind: Callable[..., Metric]
    info: MetricInfo
    supply: Callable[[Options], Options]

    def __call__(self, **options: Json) -> Metric:
        return self.kind(**self.supply(options))


@cache
def embedder(backend: str, model: str) -> Embedder:
    """Texts to vectors, by ``sentence-transformers``, ``wordllama`` or a function ``module:function``.

    Raises:
        ImportError: The library, or the weights of the model, are not installed.
    """
    # A library of models takes seconds to import, so only the one that is asked for is.
    from pipex_core.adapters.local_models.embedders import (
        function_embedder,
        sentence_embedder,
        word_embedder,
    )

    makers = {
        "sentence-transformers": sentence_embedder,
        "wordllama": word_embedder,
        "python": function_embedder,
    }
    return makers[backend](model)


def rows_of_fixture(script: str, query: str) -> Sequence[Sequence[Json]]:
    """What a query finds in the small database that a script makes; see ``fixture_database.rows_of``."""
    from pipex_core.adapters.fixture_database import rows_of

    return rows_of(script, query)


@cache
def causal_scorer(model: str | None) -> Scorer:
    """Probabilities of tokens under a causal model in a folder.

    Raises:
        ImportError: The library is not installed, or no folder of weights is named.
    """
    from pipex_core.adapters.local_models.causal import CausalModel

    return CausalModel(model)


@cache
def synonyms(folder: str) -> Callable[[str], frozenset[str]]:
    """Word to its synonyms, from the files of WordNet in a folder.

    Raises:
        ImportError: nltk is not installed.
        ConfigError: ``file_not_found``, the folder holds no WordNet.
    """
    from pipex_core.adapters.wordnet import WordNet

    return WordNet(folder)


def _lines_of(path: str) -> list[str]:
    """The lines of a text file that are neither blank nor a comment."""
    lines = (line.strip() for line in read_text(path).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _with_lines(options: Options, *, into: str) -> Options:
    """The lines of ``file`` behind the texts that the entry names itself."""
    rest = {name: value for name, value in options.items() if name != "file"}
    if options.get("file") is None:
        return rest
    own = options.get(into) or []
    texts = [own] if isinstance(own, str) else list(own)
    return {**rest, into: [*texts, *_lines_of(options["file"])]}


def _complaint(text: str) -> str | None:
    try:
        read_yaml(text)
    except SpecError as exc:
        return exc.problems[0].message
    return None


def _kinds(text: str) -> list[str]:
    return [span.kind for span in find_personal(text)]


def _scored(options: Options) -> Options:
    options = _with_lines(options, into="corpus")
    if options.get("backend") != "transformers":
        return options
    return {**options, "scorer": causal_scorer(options.get("model"))}


def _embedded(options: Options) -> Options:
    backend, model = options.get("backend", backends[0]), options.get("model", default_model)
    return {**options, "embedder": embedder(backend, model)}


def _on_fixture(options: Options) -> Options:
    """The script itself where the entry names a file."""
    fixture = options.get("fixture")
    if fixture is not None and ";" not in fixture and "\n" not in fixture:
        fixture = read_text(fixture)
    return {**options, "fixture": fixture, "rows_of": rows_of_fixture}


def _with_synonyms(options: Options) -> Options:
    path = options.get("wordnet_path")
    return options if path is None else {**options, "synonyms": synonyms(path)}


banned_terms: Final = Supplied(BannedTerms, BannedTerms.info, partial(_with_lines, into="terms"))
embedding_similarity: Final = Supplied(EmbeddingSimilarity, EmbeddingSimilarity.info, _embedded)
meteor: Final = Supplied(Meteor, Meteor.info, _with_synonyms)
perplexity: Final = Supplied(Perplexity, Perplexity.info, _scored)
pii_free: Final = Supplied(PiiFree, PiiFree.info, lambda options: {**options, "find": _kinds})
sql_equivalent: Final = Supplied(SqlEquivalent, SqlEquivalent.info, _on_fixture)
yaml_valid: Final = Supplied(
    YamlValid, YamlValid.info, lambda options: {**options, "complaint": _complaint}
)
