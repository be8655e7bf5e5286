"""Judges on disk: definitions in files, certificates in ``judges/``, and what models mean for them here."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pipex_core.app import wiring
from pipex_core.app.files import read_text
from pipex_core.app.providing import vendors
from pipex_core.app.settings import Settings
from pipex_core.app.targets import vendor_of
from pipex_core.engine.services import Services
from pipex_core.errors import ConfigError, Problem, SpecError
from pipex_core.evals.certificate import Certificate, State, certificate_from
from pipex_core.evals.judgefile import Bench, default_judge, judge_fields
from pipex_core.jsonvalue import Json, parse, short
from pipex_core.metrics.judge import Judge
from pipex_core.spec.yaml_text import read_yaml

folder_name: Final = "judges"


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificates of a project: ``judges/<id>/<first 12 digits of the fingerprint>.json``."""

    folder: Path
    today: date

    def path(self, judge: Judge) -> Path:
        """Where the certificate of a judge stands, or would stand."""
        if judge.certificate_file is not None:
            return Path(judge.certificate_file)
        return self.place(judge.id, judge.fingerprint)

    def place(self, judge_id: str, fingerprint: str) -> Path:
        """The usual place of a certificate."""
        return self.folder / judge_id / f"{short(fingerprint)}.json"

    def find(self, judge: Judge) -> Certificate | None:
        """The certificate of a judge, whatever it says; None when there is none."""
        path = self.path(judge)
        return self.read(path) if path.is_file() else None

    def read(self, path: Path) -> Certificate:
        """The certificate in a file.

        Raises:
            ConfigError: ``bad_certificate``, naming the file.
        """
        try:
            return certificate_from(parse(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{path}: {exc}", code="bad_certificate") from exc
        except ConfigError as exc:
            raise ConfigError(f"{path}: {exc.message}", code=exc.code) from exc

    def state(self, judge: Judge) -> State:
        """May the judge gate today?"""
        found = self.find(judge)
        return "missing" if found is None else found.state(judge.fingerprint, self.today)

    def valid(self, judge: Judge) -> str | None:
        """Id of the judge's certificate if it may gate today, else None."""
        found = self.find(judge)
        if found is None or found.state(judge.fingerprint, self.today) != "valid":
            return None
        return found.id

    def is_valid(self, document: Mapping[str, Json]) -> bool:
        """May the judge of a stored run gate today? ``document`` is that of the run's manifest."""
        fingerprint = str(document["fingerprint"])
        named = document.get("certificate_file")
        path = Path(named) if named else self.place(str(document["id"]), fingerprint)
        if not path.is_file():
            return False
        return self.read(path).state(fingerprint, self.today) == "valid"

    def write(self, certificate: Certificate) -> Path:
        """Put a certificate in its place, whole or not at all; the path."""
        path = self.place(certificate.judge_id, certificate.fingerprint)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        text = json.dumps(certificate.document(), ensure_ascii=False, indent=2)
        part.write_text(f"{text}\n", encoding="utf-8", newline="\n")
        part.replace(path)
        return path

    def all(self) -> Iterator[tuple[Path, Certificate]]:
        """Every certificate with its file, sorted by file."""
        for path in sorted(self.folder.glob("*/*.json")):
            yield path, self.read(path)


def certificates(settings: Settings) -> Certificates:
    """The certificates of the project that the settings name, as of today."""
    return Certificates(Path(settings.text("project_dir")) / folder_name, wiring.today())


def bench_of(
    settings: Settings,
    services: Services,
    *,
    base_urls: Mapping[str, str],
    shared: Mapping[str, Json] | None = None,
) -> Bench:
    """What judges are read with in this process.

    Args:
        settings: The default model, the project.
        services: Whose client asks them.
        base_urls: Provider to the address that its calls go to, or what stands for it.
        shared: Judges of a file, by name.
    """
    providers = services.client.providers
    return Bench(
        vendor_of=vendor_of,
        vendors=services.vendors,
        base_urls=base_urls,
        adapters={name: one.adapter_version for name, one in providers.items()},
        default_model=settings.judge_model or settings.claude_model or settings.gemini_model,
        shared=shared or {},
        certificate=certificates(settings).valid,
    )


def worded_bench(settings: Settings) -> Bench:
    """What judges are read with where nobody is asked: their words count, whoever would answer."""
    return Bench(
        vendor_of=vendor_of,
        adapters=dict.fromkeys((*vendors, "mock"), 0),
        default_model=settings.judge_model or settings.claude_model or settings.gemini_model,
    )


def load_judges(path: str) -> Mapping[str, Json]:
    """The judges of a file, by name: ``judges: {name: {...}}``, or one judge, who is the default.

    Raises:
        ConfigError: The file is not there.
        SpecError: It holds neither, or cannot be read.
    """
    value = read_yaml(read_text(path), path).value
    several = value.get("judges") if isinstance(value, Mapping) else None
    if isinstance(several, Mapping):
        return several
    one = value.get("judge", value) if isinstance(value, Mapping) else value
    if isinstance(one, Mapping) and any(name in judge_fields for name in one):
        return {default_judge: one}
    message = "a file of judges holds one judge (`model: ...`) or `judges: {name: {...}}`"
    raise SpecError([Problem(code="wrong_type", message=message, file=path)])


def judges_of(word: str | Mapping[str, Json] | None) -> Mapping[str, Json]:
    """Judges by what a caller says: a file, a model, or a map of one judge or of several by name."""
    if word is None:
        return {}
    if isinstance(word, str):
        is_file = Path(word).suffix in {".yaml", ".yml", ".json"}
        return load_judges(word) if is_file else {default_judge: {"model": word}}
    named = word.get("judges")
    if isinstance(named, Mapping):
        return named
    return {default_judge: word} if any(name in judge_fields for name in word) else word
