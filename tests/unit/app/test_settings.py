"""Settings against the two tables of the specification: names, defaults, and what a bad value is told."""

import os
from pathlib import Path

import pytest

from pipex_core.app.settings import SETTINGS, WITHOUT_EFFECT, read_settings
from pipex_core.errors import ConfigError
from pipex_core.secrets import Secret

# field: (variables, strongest first; default; a good text and its value; a bad text)
table = {
    "workspace_dir": ("PIPEX_WORKSPACE_DIR PIPELINE_WORKSPACE_DIR", "./workspace", ("w", "w"), None),
    "output_dir": ("PIPEX_OUTPUT_DIR PIPELINE_OUTPUT_DIR", "./outputs", ("o", "o"), None),
    "checkpoint_dir": ("PIPEX_CHECKPOINT_DIR PIPELINE_CHECKPOINT_DIR", "./checkpoints", ("c", "c"), None),
    "cluster_enabled": ("PIPEX_CLUSTER_ENABLED PIPELINE_CLUSTER_ENABLED", False, ("yes", True), "maybe"),
    "cluster_strategy": ("CLUSTER_STRATEGY", "gossip", ("Postgres", "postgres"), "raft"),
    "checkpoint_backend": ("CHECKPOINT_BACKEND", "local", ("s3", "s3"), "disk"),
    "s3_bucket": ("S3_CHECKPOINT_BUCKET", None, ("b", "b"), None),
    "auto_resume": ("PIPEX_AUTO_RESUME PIPELINE_AUTO_RESUME", True, ("0", False), "off"),
    "max_retries": ("PIPEX_MAX_RETRIES PIPELINE_MAX_RETRIES", 3, ("10", 10), "11"),
    "telemetry": ("PIPEX_TELEMETRY", True, ("no", False), "2"),
    "metrics_port": ("PROMETHEUS_PORT", 9568, ("0", 0), "65536"),
    "log_level": ("PIPEX_LOG_LEVEL LOG_LEVEL PIPELINE_LOG_LEVEL", "info", ("DEBUG", "debug"), "loud"),
    "log_format": ("LOG_FORMAT", "json", ("text", "text"), "xml"),
    "debug": ("PIPEX_DEBUG PIPELINE_DEBUG", False, ("TRUE", True), "debug"),
    "judge_model": ("PIPEX_JUDGE_MODEL", None, ("m", "m"), None),
    "pool_size": ("PYTHON_POOL_SIZE", 5, ("64", 64), "0"),
    "pool_memory_mb": ("PYTHON_MEMORY_MB", 512, ("64", 64), "63"),
    "anthropic_base_url": ("PIPEX_ANTHROPIC_BASE_URL", None, ("http://127.0.0.1:8/", "http://127.0.0.1:8"), "http://example.com"),
    "gemini_base_url": ("GEMINI_BASE_URL", None, ("https://example.com", "https://example.com"), "ftp://localhost"),
    "claude_model": ("CLAUDE_MODEL", None, ("m", "m"), None),
    "gemini_model": ("GEMINI_MODEL", None, ("m", "m"), None),
    "claude_timeout_s": ("CLAUDE_TIMEOUT", None, ("2.5", 2.5), "soon"),
    "gemini_timeout_s": ("GEMINI_TIMEOUT", None, ("2", 2.0), "inf"),
    "max_connections": ("PIPEX_MAX_CONNECTIONS", 64, ("1", 1), "0"),
    "rpm": ("PIPEX_RPM", None, ("60", 60), "1.5"),
    "tpm": ("PIPEX_TPM", None, ("60", 60), "0"),
    "max_retry_after_s": ("PIPEX_MAX_RETRY_AFTER_S", 600.0, ("0", 0.0), "-1"),
    "max_cost_usd": ("PIPEX_MAX_COST_USD", None, ("0.5", 0.5), "-0.5"),
    "daily_cost_usd": ("PIPEX_DAILY_COST_USD", None, ("1", 1.0), "nan"),
    "prices": ("PIPEX_PRICES", None, ("p.yaml", "p.yaml"), None),
    "model_groups": ("PIPEX_MODEL_GROUPS", None, ("g.yaml", "g.yaml"), None),
    "durability": ("PIPEX_DURABILITY", "process", ("node", "node"), "disk"),
    "mode": ("PIPEX_MODE", "development", ("test", "test"), "staging"),
    "allow_bash": ("PIPEX_ALLOW_BASH", True, ("false", False), "never"),
    "policy": ("PIPEX_POLICY", None, ("p", "p"), None),
    "audit": ("PIPEX_AUDIT", "file", ("sql", "sql"), "none"),
    "provider": ("PIPEX_PROVIDER TEST_MODE", None, ("MIXED", "mixed"), "test"),
    "mock_responses": ("PIPEX_MOCK_RESPONSES", None, ("r.yaml", "r.yaml"), None),
    "strict": ("PIPEX_STRICT", False, ("1", True), "very"),
    "max_concurrency": ("PIPEX_MAX_CONCURRENCY", None, ("64", 64), "65"),
    "project_dir": ("PIPEX_PROJECT_DIR", ".", ("p", "p"), None),
    "results_dir": ("PIPEX_RESULTS_DIR", "./results", ("r", "r"), None),
    "github_step_summary": ("GITHUB_STEP_SUMMARY", None, ("s.md", "s.md"), None),
}  # fmt: skip
secrets = {
    "anthropic_key": "ANTHROPIC_API_KEY",
    "gemini_key": "GEMINI_API_KEY",
    "database_url": "PIPEX_DATABASE_URL",
}


def test_the_table_holds_every_setting_with_its_variables() -> None:
    expected = {field: row[0] for field, row in table.items()} | secrets
    assert {setting.field: " ".join(setting.names) for setting in SETTINGS} == expected


def test_nothing_set_gives_the_defaults() -> None:
    found = read_settings({})
    assert dict(found.values) == {field: row[1] for field, row in table.items()} | dict.fromkeys(
        secrets
    )
    assert set(found.origins.values()) == {"built-in"}
    assert found.warnings == ()
    assert found.secrets() == []


@pytest.mark.parametrize("field", table)
def test_every_variable_of_a_setting_is_read(field: str) -> None:
    names, _, (text, value), _ = table[field]
    for name in names.split():
        found = read_settings({name: text})
        assert (found.values[field], found.origins[field]) == (value, name)


@pytest.mark.parametrize("field", table)
def test_the_first_variable_wins(field: str) -> None:
    names, _, (text, value), _ = table[field]
    variables = dict.fromkeys(names.split(), "unreadable") | {names.split()[0]: text}
    assert read_settings(variables).values[field] == value


@pytest.mark.parametrize("field", [field for field, row in table.items() if row[3] is not None])
def test_a_bad_value_names_its_variable_and_what_it_must_be(field: str) -> None:
    names, _, _, bad = table[field]
    assert bad is not None
    for name in names.split():
        with pytest.raises(ConfigError, match=f"^{name} is '{bad}', but must be ") as caught:
            read_settings({name: bad})
        assert caught.value.code == "invalid_option"


def test_an_empty_variable_counts_as_unset() -> None:
    assert read_settings({"PIPELINE_MAX_RETRIES": ""}).max_retries == 3


def test_an_option_of_the_call_is_stronger_and_none_is_no_option() -> None:
    found = read_settings(
        {"PIPELINE_OUTPUT_DIR": "there"}, options={"output_dir": "here", "workspace_dir": None}
    )
    assert (found.output_dir, found.origins["output_dir"]) == ("here", "option")
    assert found.text("workspace_dir") == "./workspace"


def test_the_process_environment_is_read_when_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIPEX_RPM", "7")
    assert read_settings().rpm == 7


def test_a_setting_that_does_not_exist_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="colour"):
        _ = read_settings({}).colour


def test_the_toml_file_stands_below_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipex.toml").write_text('max_retries = 5\nstrict = true\nclaude_model = "m"\n', "utf-8")
    found = read_settings({"CLAUDE_MODEL": "n"})
    assert (found.max_retries, found.strict, found.claude_model) == (5, True, "n")
    assert (found.origins["max_retries"], found.origins["claude_model"]) == (
        "pipex.toml",
        "CLAUDE_MODEL",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "max_retries = 50\n",
            "pipex.toml: max_retries is '50', but must be an integer from 0 to 10",
        ),
        ("max_retries =\n", "pipex.toml: "),
    ],
)
def test_a_bad_toml_file_names_itself(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipex.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=said):
        read_settings({})


def test_a_toml_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        read_settings({}, config_file=str(tmp_path / "other.toml"))
    assert caught.value.code == "file_unreadable"


def test_an_unknown_name_is_a_warning_with_the_nearest_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipex.toml").write_text("max_retrys = 2\n", "utf-8")
    found = read_settings({"PIPEX_PROVIDR": "mock", "PIPEX_WHATEVER": "1", "OTHER": "1"})
    assert found.warnings == (
        "unknown setting PIPEX_PROVIDR; did you mean PIPEX_PROVIDER?",
        "unknown setting PIPEX_WHATEVER",
        "unknown setting max_retrys; did you mean max_retries?",
    )


def test_what_this_version_does_not_act_on_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipex.toml").write_text('policy = "roles.yaml"\n', "utf-8")
    found = read_settings(
        {"PIPEX_AUDIT": "sql", "PIPEX_DURABILITY": "process", "LOG_LEVEL": "debug"}
    )
    assert found.warnings == (
        "pipex.toml: policy has no effect in this version of pipex",
        "PIPEX_AUDIT has no effect in this version of pipex",
    )
    assert {setting.field for setting in SETTINGS} >= WITHOUT_EFFECT


@pytest.mark.parametrize(("field", "name"), secrets.items())
def test_a_secret_is_shown_by_nothing(field: str, name: str) -> None:
    found = read_settings({name: "s3cr3t-value"})
    secret = found.values[field]
    assert isinstance(secret, Secret)
    assert secret.reveal() == "s3cr3t-value"
    assert "s3cr3t" not in repr(found) + str(secret)
    assert found.secrets() == [secret]


def test_a_secret_may_stand_in_a_file_of_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("from-a-file\n", encoding="utf-8")
    path.chmod(0o600)
    found = read_settings({"ANTHROPIC_API_KEY": f"file:{path}"})
    assert found.anthropic_key.reveal() == "from-a-file"


def test_a_secret_that_others_could_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("from-a-file\n", encoding="utf-8")
    path.chmod(0o666)
    with pytest.raises(ConfigError, match=r"can be written by others; run chmod go-w"):
        read_settings({"GEMINI_API_KEY": f"file:{path}"})


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_secret_file_is_refused_without_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"GEMINI_API_KEY is \*\*\*\*, but must be text"):
        read_settings({"GEMINI_API_KEY": f"file:{path}"})


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"GEMINI_API_KEY: cannot read {tmp_path}{os.sep}none"):
        read_settings({"GEMINI_API_KEY": f"file:{tmp_path}/none"})


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigError, match=r"GEMINI_BASE_URL is \*\*\*\*, but must be an https URL"):
        read_settings({"GEMINI_BASE_URL": "http://user:hunter2@example.com"})


def test_what_has_no_effect_is_asked_for_by_nothing() -> None:
    """The list may only shrink: a setting that something asks for does not belong on it."""
    package = Path(__file__).resolve().parents[3] / "pipex_core"
    texts = [
        path.read_text(encoding="utf-8")
        for path in package.rglob("*.py")
        if path.name != "settings.py"
    ]
    asked = {
        setting.field
        for setting in SETTINGS
        for text in texts
        if f"settings.{setting.field}" in text or f'settings.values["{setting.field}"]' in text
    }
    assert asked & WITHOUT_EFFECT == set()
