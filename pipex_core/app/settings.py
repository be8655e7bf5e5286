"""Environment, ``pipex.toml`` and options -> one frozen ``Settings``; a bad value names its variable.

From strong to weak: an option of the call, ``PIPEX_*``, the older names, ``pipex.toml``, the built-in
value. The table ``SETTINGS`` is the whole list; the reference page and its test are made from it.
"""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from pipex_core.errors import ConfigError
from pipex_core.registry import nearest
from pipex_core.secrets import Secret

Value = Any  # a parsed setting: str, int, float, bool, Secret or None
Parser = Callable[[str, str], Value]


def _text(name: str, text: str) -> str:
    if not text:
        raise _bad(name, text, "text")
    return text


def _boolean(name: str, text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise _bad(name, text, "true or false")
    return words[text.lower()]


def _integer(low: int, high: int | None = None) -> Parser:
    form = f"an integer from {low} to {high}" if high is not None else f"an integer from {low}"

    def parse(name: str, text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise _bad(name, text, form) from None
        if value < low or (high is not None and value > high):
            raise _bad(name, text, form)
        return value

    return parse


def _number(name: str, text: str) -> float:
    form = "a number that is not negative"
    try:
        value = float(text)
    except ValueError:
        raise _bad(name, text, form) from None
    if not 0 <= value < float("inf"):
        raise _bad(name, text, form)
    return value


def _choice(*words: str) -> Parser:
    def parse(name: str, text: str) -> str:
        if text.lower() not in words:
            raise _bad(name, text, "one of " + ", ".join(words))
        return text.lower()

    return parse


def _base_url(name: str, text: str) -> str:
    loopback = ("http://127.0.0.1", "http://localhost", "http://[::1]")
    if not text.startswith(("https://", *loopback)):
        raise _bad(name, text, "an https URL, or http on loopback")
    return text.rstrip("/")


def _secret(name: str, text: str) -> Secret:
    """A plain value, or ``file:/path`` of a file that only its owner can read."""
    if not text.startswith("file:"):
        return Secret(name, _text(name, text))
    path = Path(text.removeprefix("file:"))
    try:
        mode = path.stat().st_mode
        value = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as exc:
        raise ConfigError(f"{name}: cannot read {path}: {exc.strerror}") from exc
    if mode & 0o022:
        raise ConfigError(f"{name}: {path} can be written by others; run chmod go-w {path}")
    return Secret(name, _text(name, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        names: Environment variables, the strongest first.
        default: As text, parsed like a given value; None means no value.
    """

    field: str
    names: Sequence[str]
    parse: Parser
    default: str | None = None
    description: str = ""


def _setting(
    target: str, names: str, parse: Parser, default: str | None, description: str
) -> Setting:
    given = names.split()
    preferred = [n.replace("PIPELINE_", "PIPEX_", 1) for n in given if n.startswith("PIPELINE_")]
    return Setting(
        field=target,
        names=(*preferred, *given),
        parse=parse,
        default=default,
        description=description,
    )


SETTINGS: Sequence[Setting] = (
    _setting("workspace_dir", "PIPELINE_WORKSPACE_DIR", _text, "./workspace", "where steps may write"),
    _setting("output_dir", "PIPELINE_OUTPUT_DIR", _text, "./outputs", "where output_to_file goes"),
    _setting("checkpoint_dir", "PIPELINE_CHECKPOINT_DIR", _text, "./checkpoints", "journals, checkpoints"),
    _setting("cluster_enabled", "PIPELINE_CLUSTER_ENABLED", _boolean, "false", "leases in the database"),
    _setting("cluster_strategy", "CLUSTER_STRATEGY", _choice("gossip", "postgres"), "gossip", "accepted; nodes meet in the database"),
    _setting("checkpoint_backend", "CHECKPOINT_BACKEND", _choice("local", "memory", "sql", "s3", "multi"), "local", "where checkpoints are kept"),
    _setting("s3_bucket", "S3_CHECKPOINT_BUCKET", _text, None, "bucket of the backends s3 and multi"),
    _setting("auto_resume", "PIPELINE_AUTO_RESUME", _boolean, "true", "a supervisor resumes runs whose process died"),
    _setting("max_retries", "PIPELINE_MAX_RETRIES", _integer(0, 10), "3", "further tries of a model call"),
    _setting("telemetry", "PIPEX_TELEMETRY", _boolean, "true", "counters in the process; nothing leaves the machine"),
    _setting("metrics_port", "PROMETHEUS_PORT", _integer(0, 65535), "9568", "port of the exposition, 0 is off"),
    _setting("log_level", "LOG_LEVEL PIPELINE_LOG_LEVEL", _choice("debug", "info", "warning", "error"), "info", "lowest level that is logged"),
    _setting("log_format", "LOG_FORMAT", _choice("json", "logfmt", "text"), "json", "form of the log lines"),
    _setting("debug", "PIPELINE_DEBUG", _boolean, "false", "more words in errors"),
    _setting("judge_model", "PIPEX_JUDGE_MODEL", _text, None, "model of judges that name none"),
    _setting("pool_size", "PYTHON_POOL_SIZE", _integer(1, 64), "5", "metric worker processes"),
    _setting("pool_memory_mb", "PYTHON_MEMORY_MB", _integer(64, 65536), "512", "memory of a metric worker"),
    _setting("anthropic_key", "ANTHROPIC_API_KEY", _secret, None, "key of the Anthropic API"),
    _setting("gemini_key", "GEMINI_API_KEY", _secret, None, "key of the Gemini API"),
    _setting("anthropic_base_url", "PIPEX_ANTHROPIC_BASE_URL", _base_url, None, "another address of the Anthropic API"),
    _setting("gemini_base_url", "GEMINI_BASE_URL", _base_url, None, "another address of the Gemini API"),
    _setting("claude_model", "CLAUDE_MODEL", _text, None, "model of claude steps that name none"),
    _setting("gemini_model", "GEMINI_MODEL", _text, None, "model of gemini steps that name none"),
    _setting("claude_timeout_s", "CLAUDE_TIMEOUT", _number, None, "seconds for one call of a claude step"),
    _setting("gemini_timeout_s", "GEMINI_TIMEOUT", _number, None, "seconds for one call of a gemini step"),
    _setting("database_url", "PIPEX_DATABASE_URL", _secret, None, "shared database, of the backends sql and multi"),
    _setting("max_connections", "PIPEX_MAX_CONNECTIONS", _integer(1), "64", "calls in flight per provider and model"),
    _setting("rpm", "PIPEX_RPM", _integer(1), None, "requests per minute per provider and model"),
    _setting("tpm", "PIPEX_TPM", _integer(1), None, "tokens per minute per provider and model"),
    _setting("max_retry_after_s", "PIPEX_MAX_RETRY_AFTER_S", _number, "600", "longest wait that is slept"),
    _setting("max_cost_usd", "PIPEX_MAX_COST_USD", _number, None, "budget of a run"),
    _setting("daily_cost_usd", "PIPEX_DAILY_COST_USD", _number, None, "budget of a day (UTC) for all runs that share a checkpoint_dir"),
    _setting("prices", "PIPEX_PRICES", _text, None, "file whose prices come before the shipped ones"),
    _setting("model_groups", "PIPEX_MODEL_GROUPS", _text, None, "file with groups of models that steps may name as one"),
    _setting("durability", "PIPEX_DURABILITY", _choice("process", "node"), "process", "when a record counts as durable"),
    _setting("mode", "PIPEX_MODE", _choice("development", "test", "production"), "development", "how strict the deployment is"),
    _setting("allow_bash", "PIPEX_ALLOW_BASH", _boolean, "true", "whether Bash may be offered as a tool"),
    _setting("policy", "PIPEX_POLICY", _text, None, "file of roles"),
    _setting("audit", "PIPEX_AUDIT", _choice("file", "sql"), "file", "where the audit log goes"),
    _setting("provider", "PIPEX_PROVIDER TEST_MODE", _choice("mock", "live", "mixed", "replay"), None, "provider of runs that name none"),
    _setting("mock_responses", "PIPEX_MOCK_RESPONSES", _text, None, "rules of the mock provider"),
    _setting("strict", "PIPEX_STRICT", _boolean, "false", "warnings of files are errors"),
    _setting("max_concurrency", "PIPEX_MAX_CONCURRENCY", _integer(1, 64), None, "steps or cases in flight"),
    _setting("project_dir", "PIPEX_PROJECT_DIR", _text, ".", "folder that holds pipelines/ and test_suites/"),
    _setting("results_dir", "PIPEX_RESULTS_DIR", _text, "./results", "result tables: a folder, or s3://BUCKET/PREFIX"),
    _setting("github_step_summary", "GITHUB_STEP_SUMMARY", _text, None, "file to which --report github adds the summary of a job"),
)  # fmt: skip


# Read and checked, for files and deployments that set them; nothing of this version asks for them.
WITHOUT_EFFECT = frozenset(
    {
        "cluster_enabled", "cluster_strategy", "telemetry", "metrics_port", "log_level",
        "log_format", "debug", "durability", "policy", "audit",
    }
)  # fmt: skip
# Other programs read these too, so their presence says nothing about pipex.
shared_names = frozenset({"LOG_LEVEL", "LOG_FORMAT", "PROMETHEUS_PORT"})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process, read once.

    Attributes:
        values: Field name to value.
        origins: Field name to where the value came from: a variable, ``pipex.toml``, ``option`` or ``built-in``.
        warnings: Unknown ``PIPEX_*`` names, each with the nearest known one, and values that this
            version does not act on.
    """

    values: Mapping[str, Value]
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = field(default=())

    def __getattr__(self, name: str) -> Value:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    def text(self, name: str) -> str:
        """A setting that always has a text value."""
        return cast("str", self.values[name])

    def secrets(self) -> list[Secret]:
        """All secrets that are set."""
        return [value for value in self.values.values() if isinstance(value, Secret)]


def read_settings(
    environment: Mapping[str, str] | None = None,
    *,
    options: Mapping[str, Value] | None = None,
    config_file: str | None = None,
) -> Settings:
    """The settings of this process.

    Args:
        environment: Variables; the process's own when None.
        options: Values of the call, by field name, already of the right type; None values are left out.
        config_file: A TOML file with field names as keys; ``pipex.toml`` of the working directory,
            where there is one, when None.

    Raises:
        ConfigError: A value cannot be read as what it should be; the message names the variable.
    """
    variables = os.environ if environment is None else environment
    toml = _toml(config_file)
    values: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        values[setting.field], origins[setting.field] = _resolve(setting, variables, toml)
    for name, value in (options or {}).items():
        if value is not None:
            values[name], origins[name] = value, "option"
    warnings = (*_unknown(variables, toml), *_idle(values, origins))
    return Settings(MappingProxyType(values), MappingProxyType(origins), warnings)


def _resolve(
    setting: Setting, variables: Mapping[str, str], toml: Mapping[str, Value]
) -> tuple[Value, str]:
    for name in setting.names:
        if variables.get(name):
            return setting.parse(name, variables[name]), name
    if setting.field in toml:
        return setting.parse(f"pipex.toml: {setting.field}", str(toml[setting.field])), "pipex.toml"
    if setting.default is None:
        return None, "built-in"
    return setting.parse(setting.names[0], setting.default), "built-in"


def _toml(config_file: str | None) -> Mapping[str, Value]:
    path = Path(config_file or "pipex.toml")
    if config_file is None and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="file_unreadable") from exc
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def _unknown(variables: Mapping[str, str], toml: Mapping[str, Value]) -> list[str]:
    known = {name for setting in SETTINGS for name in setting.names} | {"PIPEX_SHARED_DATA"}
    fields = {setting.field for setting in SETTINGS}
    wrong = [(n, known) for n in variables if n.startswith("PIPEX_") and n not in known]
    wrong += [(n, fields) for n in toml if n not in fields]
    found = []
    for name, candidates in sorted(wrong, key=lambda pair: pair[0]):
        near = nearest(name, candidates)
        found.append(f"unknown setting {name}" + (f"; did you mean {near}?" if near else ""))
    return found


def _idle(values: Mapping[str, Value], origins: Mapping[str, str]) -> list[str]:
    """What somebody set and would wait for in vain."""
    found = []
    for setting in SETTINGS:
        value, origin = values[setting.field], origins[setting.field]
        usual = setting.parse(setting.field, setting.default) if setting.default else None
        if setting.field in WITHOUT_EFFECT and value != usual and origin not in shared_names:
            name = f"{origin}: {setting.field}" if origin in ("pipex.toml", "option") else origin
            found.append(f"{name} has no effect in this version of pipex")
    return found


def _bad(name: str, text: str, form: str) -> ConfigError:
    # An address may hold a password before its @.
    is_secret = "key" in name.lower() or "database" in name.lower() or "@" in text
    shown = "****" if is_secret else repr(text)
    return ConfigError(f"{name} is {shown}, but must be {form}")
