"""Synonyms from files of WordNet in a folder."""

from pathlib import Path

import pytest

from pipex_core.adapters.wordnet import WordNet
from pipex_core.errors import ConfigError
from tests.fakes.metrics import entry_of, value

lexicon = "car", "auto", "motor_car"


def written(folder: Path) -> Path:
    """The smallest WordNet: one meaning of three words."""
    names = " ".join(f"{word} 0" for word in lexicon)
    line = f"00000000 06 n {len(lexicon):02x} {names} 000 | a vehicle\n"
    (folder / "data.noun").write_text(line)
    index = "".join(f"{word} n 1 0 1 0 00000000\n" for word in sorted(lexicon))
    (folder / "index.noun").write_text(index)
    for part in ("verb", "adj", "adv"):
        (folder / f"data.{part}").write_text("")
        (folder / f"index.{part}").write_text("")
        (folder / f"{part}.exc").write_text("")
    (folder / "noun.exc").write_text("")
    (folder / "lexnames").write_text("".join(f"{n:02}\tnoun.kind{n}\t1\n" for n in range(7)))
    return folder


def test_words_of_one_meaning_are_synonyms_and_phrases_are_none(tmp_path: Path) -> None:
    known = WordNet(str(written(tmp_path)))
    assert known("car") == {"car", "auto"}
    assert known("bicycle") == set()


def test_meteor_counts_synonyms_when_it_is_given_a_folder(tmp_path: Path) -> None:
    raw = {"type": "meteor", "wordnet_path": str(written(tmp_path))}
    assert value("meteor", "car", "auto") == 0.0
    assert value(raw, "car", "auto") == 0.5
    assert entry_of(raw).fingerprint != entry_of("meteor").fingerprint


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no WordNet") as caught:
        WordNet(str(tmp_path))
    assert caught.value.code == "file_not_found"
