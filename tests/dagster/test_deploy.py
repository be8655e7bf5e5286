"""The files of deploy/ are read by what they are for, and agree with one another."""

import re
import shutil
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest
import yaml

from pipex_core.app.settings import read_settings
from pipex_core.app.stores import checkpoint_stores
from tests.fakes.real_servers import Postgres

root = Path(__file__).resolve().parents[2]
deploy = root / "deploy"
ours = ("code", "daemon", "web")
different = {"storage", "compute_logs"}  # of the two forms of an instance


def read(name: str) -> Any:
    return yaml.safe_load((deploy / name).read_text(encoding="utf-8"))


def services() -> Mapping[str, Any]:
    found: Mapping[str, Any] = read("compose.yaml")["services"]
    return found


def named_variables(value: Any) -> Iterator[str]:
    """What a configuration takes from the environment."""
    if isinstance(value, dict):
        if set(value) == {"env"}:
            yield value["env"]
        for inner in value.values():
            yield from named_variables(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named_variables(inner)


def test_the_instance_differs_from_the_embedded_one_only_in_its_stores() -> None:
    embedded = yaml.safe_load((root / "dagster.yaml").read_text(encoding="utf-8"))
    deployed = read("dagster.yaml")
    assert set(deployed) - set(embedded) == different
    assert {name: deployed[name] for name in embedded} == embedded


def test_the_database_is_addressed_with_its_driver() -> None:
    assert read("dagster.yaml")["storage"]["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"  # fmt: skip


def test_dagster_opens_the_instance_on_a_real_database(
    tmp_path: Path, bucket: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = urlsplit(postgres.url)
    monkeypatch.setenv("DAGSTER_PG_HOST", str(found.hostname))
    monkeypatch.setenv("DAGSTER_PG_PORT", str(found.port))
    monkeypatch.setenv("DAGSTER_PG_DB", found.path.strip("/"))
    monkeypatch.setenv("DAGSTER_PG_USERNAME", str(found.username))
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "trusted")
    monkeypatch.setenv("DAGSTER_LOGS_BUCKET", bucket)
    shutil.copy(deploy / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.get_runs_count() == 0
        assert type(instance.compute_log_manager).__name__ == "S3ComputeLogManager"
        assert type(instance.run_launcher).__name__ == "PipexRunLauncher"
        assert instance.run_retries_max_retries == 2


def test_the_workspace_names_the_code_server() -> None:
    [entry] = read("workspace.yaml")["load_from"]
    server, environment = entry["grpc_server"], services()["daemon"]["environment"]
    assert environment[server["host"]["env"]] in services()
    words = services()["code"]["command"]
    assert words[words.index("-p") + 1] == environment[server["port"]["env"]]


@pytest.mark.parametrize("name", ours)
def test_every_service_has_the_variables_that_its_files_name(name: str) -> None:
    given = services()[name]["environment"]
    wanted = {*named_variables(read("dagster.yaml")), *named_variables(read("workspace.yaml"))}
    assert wanted <= set(given)


@pytest.mark.parametrize("name", ours)
def test_every_command_is_installed(name: str) -> None:
    program, *words = services()[name]["command"]
    assert (Path(sysconfig.get_path("scripts")) / program).exists()
    places = [word for word in words if word.startswith("/app/dagster/")]
    assert all((deploy / Path(place).name).exists() for place in places)


def test_the_settings_of_the_code_server_are_settings_of_pipex() -> None:
    given = services()["code"]["environment"]
    own = {
        name: re.sub(r"\$\{\w+[^}]*\}", "somewhere", value)
        for name, value in given.items()
        if name.startswith(("PIPEX_", "CHECKPOINT_", "S3_"))
    }
    settings = read_settings(own)
    assert settings.warnings == ()
    stores = checkpoint_stores(settings)
    assert stores is not None
    assert stores.backends == ("s3",)


def test_only_this_machine_reaches_the_web_server_and_nobody_the_database() -> None:
    found = read("compose.yaml")
    assert found["networks"]["inside"] == {"internal": True}
    reaching = {name for name, service in services().items() if "outside" in service["networks"]}
    assert reaching == {"code", "web"}
    published = {
        name: service["ports"] for name, service in services().items() if "ports" in service
    }
    assert list(published) == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in published["web"])
    assert "--read-only" in found["services"]["web"]["command"]


@pytest.mark.parametrize("name", ours)
def test_services_have_no_rights_that_they_do_not_need(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "no-new-privileges:true" in service["security_opt"]


def test_volumes_and_networks_of_services_are_declared() -> None:
    found = read("compose.yaml")
    for service in services().values():
        assert set(service["networks"]) <= set(found["networks"])
        assert {one.partition(":")[0] for one in service["volumes"]} <= set(found["volumes"])
        assert set(service.get("depends_on", ())) <= set(services())


def instructions(kind: str) -> list[str]:
    text = (deploy / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.partition(" ")[2] for line in text.splitlines() if line.startswith(f"{kind} ")]


def test_the_image_is_made_of_files_that_exist_and_of_locked_packages() -> None:
    for line in instructions("COPY"):
        *sources, _ = line.split()
        assert all((root / source).exists() for source in sources)
    assert any("--require-hashes -r /build/requirements.lock" in run for run in instructions("RUN"))


def test_the_image_runs_a_python_that_pipex_supports_and_no_root() -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = project["requires-python"].removeprefix(">=").partition(",")[0]
    [image] = instructions("FROM")
    assert image.partition(":")[2].startswith(least)
    assert instructions("USER") == ["pipex"]


def test_the_folders_of_the_image_are_those_of_the_settings() -> None:
    words = " ".join(instructions("ENV")).split()
    variables = dict(word.split("=", 1) for word in words)
    settings = read_settings({n: v for n, v in variables.items() if n.startswith("PIP")})
    assert settings.text("workspace_dir") == "/app/workspace"
    assert settings.text("output_dir") == "/app/outputs"
    assert settings.text("checkpoint_dir") == "/app/checkpoints"


def test_policies_shut_everything_and_open_what_compose_opens() -> None:
    text = (deploy / "network-policy.yaml").read_text(encoding="utf-8")
    policies = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(text)}
    assert policies["pipex-shut"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    [into_database] = policies["pipex-database"]["ingress"]
    assert into_database["ports"] == [{"port": 5432, "protocol": "TCP"}]
    named = {*re.findall(r"app: (\w+)", text), *re.findall(r"\b(code|daemon|web)\b", text)}
    assert named == set(services())
