"""Words that people write for one that exists: they are suggested before the nearest spelling."""

from collections.abc import Iterable, Mapping
from typing import Final

from pipex_core.registry import nearest

Synonyms = Mapping[str, tuple[str, ...]]


def suggestion(word: str, known: Iterable[str], synonyms: Synonyms) -> str | None:
    """The known word that was probably meant: a known synonym, or at most two edits away."""
    words = list(known)
    meant = next((one for one in synonyms.get(word.lower(), ()) if one in words), None)
    return meant or nearest(word, words)


# The first one that the place knows is taken.
field_synonyms: Final[Synonyms] = {
    "options": ("claude_options",),
    "if": ("condition",),
    "needs": ("depends_on",),
    "requires": ("depends_on",),
    "dependencies": ("depends_on",),
    "after": ("depends_on",),
    "id": ("name", "task_id", "session_id"),
    "title": ("name",),
    "uses": ("type",),
    "kind": ("type",),
    "step_type": ("type",),
    "timeout": ("timeout_seconds", "timeout_ms"),
    "timeout_s": ("timeout_seconds",),
    "attempts": ("max_retries",),
    "max_attempts": ("max_retries",),
    "max_retry": ("max_retries",),
    "retries": ("max_retries",),
    "delay_ms": ("base_delay_ms",),
    "schema": ("output_schema",),
    "output": ("output_to_file", "outputs"),
    "output_file": ("output_to_file",),
    "save_to": ("output_to_file",),
    "result": ("outputs",),
    "tools": ("allowed_tools",),
    "system": ("system_prompt",),
    "message": ("prompt", "content", "error_message"),
    "text": ("prompt", "content", "value"),
    "body": ("steps", "content"),
    "vars": ("variables",),
    "globals": ("global_vars",),
    "parameters": ("inputs",),
    "params": ("inputs",),
    "file": ("path", "pipeline_file"),
    "filename": ("path",),
    "src": ("source",),
    "dest": ("destination",),
    "target": ("destination",),
    "concurrency": ("max_concurrency", "max_parallel"),
    "max_concurrent": ("max_concurrency", "max_parallel"),
    "max_workers": ("max_concurrency", "max_parallel"),
    "tasks": ("parallel_tasks",),
    "parallel_tasks": ("tasks",),
    "max_tokens": ("max_output_tokens",),
    "max_output_tokens": ("max_tokens",),
    "max_cost": ("max_cost_usd",),
    "max_usd": ("max_cost_usd",),
    "max_steps": ("max_total_steps",),
    "ttl": ("ttl_seconds",),
    "over": ("data_source",),
    "loop_over": ("data_source",),
    "variable": ("iterator",),
    "as": ("iterator",),
    "while": ("condition",),
    "max_loops": ("max_iterations",),
    "branches": ("cases",),
    "else": ("default",),
    "otherwise": ("default",),
    "on": ("expression",),
    "input": ("input_source", "inputs"),
    "data": ("input_source", "value"),
}
type_synonyms: Final[Synonyms] = {
    "llm": ("claude",),
    "prompt": ("claude",),
    "anthropic": ("claude",),
    "bash": ("claude",),
    "shell": ("claude",),
    "command": ("claude",),
    "google": ("gemini",),
    "set": ("set_variable",),
    "transform": ("data_transform",),
    "foreach": ("for_loop",),
    "for": ("for_loop",),
    "loop": ("for_loop",),
    "while": ("while_loop",),
    "if": ("switch",),
    "parallel": ("parallel_claude",),
    "batch": ("claude_batch",),
    "nested": ("pipeline",),
    "subpipeline": ("pipeline",),
    "print": ("echo",),
    "log": ("echo",),
    "file": ("file_ops",),
}
value_synonyms: Final[Synonyms] = {
    "str": ("string",),
    "text": ("string",),
    "int": ("integer",),
    "float": ("number",),
    "bool": ("boolean",),
    "array": ("list",),
    "object": ("map",),
    "dict": ("map",),
    "parallel": ("dag",),
    "serial": ("sequential",),
    "ignore": ("continue",),
    "skip": ("continue",),
    "abort": ("fail",),
    "dev": ("development",),
    "prod": ("production",),
    "previous": ("previous_response",),
    "upper": ("uppercase",),
    "lower": ("lowercase",),
    "halt": ("stop",),
}
