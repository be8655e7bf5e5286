"""Models in this process: where their weights lie, and what they say of texts."""

import importlib.util
import json
import math
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from pipex_core.adapters.local_models.embedders import (
    function_embedder,
    sentence_embedder,
    word_embedder,
)
from pipex_core.adapters.local_models.weights import digest_of_folder, model_folder
from pipex_core.jsonvalue import Json
from pipex_core.metrics.embedding import cosine
from tests.fakes.metrics import entry_of, score, value

has_library = importlib.util.find_spec("sentence_transformers") is not None
needs_library = pytest.mark.skipif(
    not has_library, reason="the extra `embeddings` is not installed"
)
model = "all-MiniLM-L6-v2"


def installed(site: Path, name: str, files: dict[str, bytes]) -> None:
    """A distribution with these files, as pip leaves it in a folder of the path."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
    record = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in record))


def test_a_folder_is_where_the_weights_lie(tmp_path: Path) -> None:
    assert model_folder(str(tmp_path)) == tmp_path


def test_a_distribution_may_bring_the_weights_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "some-tiny-model", {"tiny/model/modules.json": b"[]"})
    monkeypatch.syspath_prepend(str(tmp_path))
    assert model_folder("someone/Tiny-Model") == tmp_path / "tiny" / "model"


def test_weights_in_an_archive_are_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("modules.json", "[]")
        made.writestr("1_Pooling/config.json", "{}")
    site = tmp_path / "site"
    installed(site, "zipped-model", {"zipped/model.zip": archive.read_bytes()})
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    folder = model_folder("zipped-model")
    assert sorted(one.name for one in folder.iterdir()) == ["1_Pooling", "modules.json"]
    assert model_folder("zipped-model") == folder
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]


def test_a_distribution_without_weights_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as made:
        made.writestr("readme.txt", "no model")
    content = (tmp_path / "other.zip").read_bytes()
    installed(tmp_path, "empty-model", {"empty/data.zip": content, "empty/__init__.py": b""})
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match="nothing is downloaded"):
        model_folder("empty-model")


def test_the_digest_of_a_folder_covers_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest_of_folder(tmp_path)
    assert digest_of_folder(tmp_path) == first
    (tmp_path / "a").write_text("2")
    second = digest_of_folder(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, digest_of_folder(tmp_path)}) == 3


def test_a_function_may_give_the_vectors() -> None:
    embedder = function_embedder("tests.fakes.vectors:letter_counts")
    assert embedder.name == "tests.fakes.vectors:letter_counts"
    assert len(embedder.embed(["ab", "c"])) == 2
    assert function_embedder("math:hypot").fingerprint != embedder.fingerprint


@pytest.mark.skipif(has_library, reason="the extra is installed")
def test_without_the_extra_the_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="sentence_transformers"):
        sentence_embedder(str(tmp_path))


def _has_wordllama() -> bool:
    try:
        return bool(version("wordllama"))
    except PackageNotFoundError:
        return False


@pytest.mark.skipif(not _has_wordllama(), reason="the extra `wordllama` is not installed")
def test_the_static_model_of_wordllama_needs_nothing_else() -> None:
    embedder = word_embedder(model)
    near, far = (
        cosine(*embedder.embed(["a cat sat on a mat", other]))
        for other in ("the cat sits on the mat", "quarterly revenue grew")
    )
    assert near > far


@pytest.mark.embeddings
@needs_library
def test_a_real_model_tells_near_from_far_meanings() -> None:
    near = value("embedding_similarity", "A man is eating food.", "Somebody has a meal.")
    far = value("embedding_similarity", "A man is eating food.", "Interest rates rose in May.")
    assert near > 0.5 > far
    assert value("embedding_similarity", "the same", "the same") == pytest.approx(1.0, abs=1e-6)


@pytest.mark.embeddings
@needs_library
def test_the_value_equals_that_of_encoding_directly() -> None:
    import numpy as np
    from sentence_transformers import SentenceTransformer

    direct = SentenceTransformer(str(model_folder(model)), device="cpu", local_files_only=True)
    texts = [f"Text number {n} about {topic}." for n, topic in enumerate("abcdefgh" * 5)]
    vectors = direct.encode(texts, show_progress_bar=False)
    for at in range(0, 40, 4):
        one, other = vectors[at], vectors[at + 1]
        expected = float(np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other)))
        found = value("embedding_similarity", texts[at], texts[at + 1])
        assert found == pytest.approx(max(expected, 0.0), abs=1e-6)


@pytest.mark.embeddings
@needs_library
def test_the_weights_are_part_of_the_fingerprint() -> None:
    entry = entry_of("embedding_similarity")
    assert entry.info.identity["weights"] == digest_of_folder(model_folder(model))


@pytest.mark.embeddings
@needs_library
def test_a_causal_model_in_a_folder_gives_the_perplexity_of_its_own_loss(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.manual_seed(7)
    words = ["<s>", "<unk>", *"abcdefghij"]
    inner = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"bos_token": "<s>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **special)
    config = GPT2Config(
        vocab_size=len(words), n_positions=64, n_embd=8, n_layer=1, n_head=1, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    network = GPT2LMHeadModel(config).eval()
    network.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    text = "a b c d e a b"
    ids = torch.tensor([[0, *tokenizer(text).input_ids]])
    with torch.inference_mode():
        loss = float(network(ids, labels=ids).loss)
    raw: Json = {"type": "perplexity", "backend": "transformers", "model": str(tmp_path)}
    assert value(raw, text) == pytest.approx(math.exp(loss), rel=1e-5)
    # 300 tokens do not fit into a context of 64: windows overlap, and no token is left out.
    long = score(raw, "a b c d e " * 60)
    assert getattr(long, "details", {})["units"] == 300
    assert json.dumps(entry_of(raw).info.identity)
