"""Write the reference pages that the code knows better than any author: ``python docs/generate.py``.

With ``--check`` nothing is written: the script fails when a page is not what it would write, when an
error code of the code is not described in ``error-codes.yaml``, or when a described one is gone.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

docs = Path(__file__).resolve().parent
root = docs.parent
sys.path.insert(0, str(root))  # a script of a folder does not see the packages beside it

from pipex_core.app.settings import SETTINGS, WITHOUT_EFFECT  # noqa: E402 - after the path
from pipex_core.app.wiring import metrics, shapes, step_types  # noqa: E402
from pipex_core.metrics.contract import MetricInfo  # noqa: E402
from pipex_core.spec.fields import input_fields, part_fields, step_fields, workflow_fields  # noqa: E402
from pipex_core.spec.model import FieldShape  # noqa: E402
from tests.golden.commands import commands, help_of  # noqa: E402

made_by = "<!-- Written by docs/generate.py; edit the code or error-codes.yaml instead. -->"
snake = re.compile(r"[a-z]+(?:_[a-z]+)*")
# Methods that take a code first.
tellers = {"add", "problem", "warn", "_problem", "_add", "_warn"}
type_words = {
    "str": "text", "int": "integer", "num": "number", "bool": "true or false", "list": "list",
    "map": "map", "any": "any",
}  # fmt: skip


def main(words: list[str]) -> int:
    """Write or check; the exit code."""
    problems = list(code_problems())
    for name, text in pages().items():
        path = docs / "reference" / name
        if "--check" not in words:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            problems.append(f"{path.relative_to(root)} is old; run python docs/generate.py")
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


def pages() -> Mapping[str, str]:
    """File name to content of every generated page."""
    return {
        "cli.md": page("Command line", cli_lines()),
        "metrics.md": page("Metrics", metric_lines()),
        "steps.md": page("Step types", step_lines()),
        "settings.md": page("Settings", setting_lines()),
        "error-codes.md": page("Error codes", code_lines()),
        "python.md": page("Python", python_lines()),
    }


def page(title: str, lines: Iterator[str]) -> str:
    """A page with its title."""
    body = "\n".join(line.rstrip() for line in lines)
    return f"{made_by}\n\n# {title}\n\n{body.rstrip()}\n"


def cli_lines() -> Iterator[str]:
    """The help of every command."""
    yield from (
        "Every command takes `--json`: standard output is then exactly one JSON object, also on errors.",
        "Logs and progress go to standard error.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        "| 0 | done, or the verdict is PASS |",
        "| 1 | the run failed, the verdict is FAIL, or a threshold was missed |",
        "| 2 | the input is invalid; nothing was executed |",
        "| 3 | the verdict is INCONCLUSIVE |",
        "| 4 | INCOMPLETE: answers are missing |",
        "| 5 | a bug in pipex; a crash report was written |",
        "| 75 | another process writes the run, or it is parked: try again later |",
        "| 130 | interrupted; what was done is kept |",
    )
    for name in commands():
        yield from ("", f"## {name}", "", "```text", *help_of(name).rstrip().splitlines(), "```")


def metric_lines() -> Iterator[str]:
    """A table of all metrics, and the options of each."""
    known = metrics()
    infos = [known.get(name).info for name in known]
    yield from (
        "A metric says one number of one answer, or the reason why there is none. In a suite or with",
        "`--metrics FILE` an entry is a name or a map: `{type: rouge, rouge_type: rougeL, threshold: 0.3}`.",
        "Every entry may have `name`, `threshold`, `tier`, `weight`, `negate`, `extract`, `fallback` and `required`.",
        "What needs context, query or reference also has `source_field`, `query_field` or `reference_field`: a field",
        "of the case, else of a map input, else a path of the metadata. [Write a metric](../howto/write-a-metric.md) of",
        "your own when none of these fits.",
        "",
        "| metric | says | range | better | passes at | needs |",
        "|---|---|---|---|---|---|",
    )
    for info in infos:
        needs = ", ".join(sorted(info.needs)) or "nothing"
        passes = "" if info.default_threshold is None else f"{info.default_threshold:g}"
        yield (
            f"| [{info.name}](#{info.name}) | {cell(info.summary)} | {number_range(info)} "
            f"| {info.direction} | {passes} | {needs} |"
        )
    for info in infos:
        aliases = sorted(alias for alias, of in known.aliases().items() if of == info.name)
        also = f" Also called {', '.join(f'`{alias}`' for alias in aliases)}." if aliases else ""
        yield from (
            "",
            f"## {info.name}",
            "",
            f"{sentence(info.summary)} Version {info.version}.{also}",
        )
        if info.options:
            yield from ("", "| option | type | default | meaning |", "|---|---|---|---|")
        for name, option in info.options.items():
            kind = " or ".join(f"`{one}`" for one in option.choices) or option.kind
            yield f"| `{name}` | {cell(kind)} | `{option.default!r}` | {cell(option.description)} |"


def number_range(info: MetricInfo) -> str:
    """The ends of a metric's range."""
    return " to ".join(f"{end:g}" for end in info.range)


def step_lines() -> Iterator[str]:
    """The fields of every step, and those of each type."""
    yield from (
        "A step is an entry of `workflow.steps`. Its fields are those of every step and those of its type.",
        "Texts are templates unless the type says otherwise: `{{ steps.draft }}`, `{{ inputs.question }}`.",
        "",
        "## Fields of every step",
        "",
        *field_table(step_fields),
    )
    aliases = step_types().aliases()
    for name in step_types():
        shape = shapes()[name]
        also = [f"`{alias}`" for alias, of in aliases.items() if of == name]
        names = f" Also called {', '.join(also)}." if also else ""
        yield from ("", f"## {name}", "", f"{sentence(shape.summary)}{names}", "")
        yield from field_table(shape.fields)
        yield from map_tables(shape.fields, but=shared_maps)
    yield from ("", "## Parts of a prompt", "")
    yield from ("A plain text is a `static` part. The parts are joined with line breaks.",)
    for kind, fields in part_fields.items():
        own = {name: one for name, one in fields.items() if name != "type"}
        yield from ("", f"### type: {kind}", "", *field_table(own))
    yield from ("", "## Options in maps", "", "Fields that several step types share.")
    yield from map_tables({**step_fields, **shared_maps}, but={})
    yield from ("", "## Fields of the workflow", "", *field_table(workflow_fields))
    yield from ("", "### An entry of `inputs`", "", *field_table(input_fields))
    yield from map_tables(workflow_fields, but={})


shared_maps = {name: shapes()["claude"].fields[name] for name in ("claude_options",)} | {
    "token_budget": shapes()["gemini"].fields["token_budget"]
}


def map_tables(fields: Mapping[str, FieldShape], *, but: Mapping[str, FieldShape]) -> Iterator[str]:
    """A table for each field that holds a map of known fields, or a list or map of such."""
    for name, one in fields.items():
        inner = one.fields or (one.item and one.item.fields) or (one.values and one.values.fields)
        if inner and name not in but and not one.alias_of:
            what = f"`{name}`" if one.fields else f"An entry of `{name}`"
            yield from ("", f"### {what}", "", *field_table(inner))


def field_table(fields: Mapping[str, FieldShape]) -> Iterator[str]:
    """One row per field; old names stand beside the field that they mean."""
    shown = {
        name: one
        for name, one in fields.items()
        if not (one.alias_of or one.ignored or one.unsupported)
    }
    if not shown:
        yield "It has no fields of its own."
        return
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    for name, one in sorted(shown.items(), key=lambda pair: (not pair[1].required, pair[0])):
        kind = " or ".join(f"`{value}`" for value in one.choices) or " or ".join(
            type_words[word] for word in one.types
        )
        default = "required" if one.required else "" if one.default is None else f"`{one.default}`"
        yield f"| `{name}` | {cell(kind)}{limits(one)} | {cell(default)} | {cell(one.description)} |"


def limits(one: FieldShape) -> str:
    """The range of a number, in words."""
    words = [
        f"above {one.above:g}" if one.above is not None else "",
        f"from {one.low:g}" if one.low is not None else "",
        f"to {one.high:g}" if one.high is not None else "",
    ]
    return "".join(f", {word}" for word in words if word)


def setting_lines() -> Iterator[str]:
    """All settings, the strongest variable of each first."""
    yield from (
        "From strong to weak: an option of the command, an environment variable, `pipex.toml` in the",
        "working directory (the setting's name is the key), the default. A value that cannot be read ends",
        "the command with code 2 and names the variable. `pipex doctor --settings` shows every value and",
        "where it comes from; secrets are masked, and may be given as `file:/path`.",
        "",
        "| setting | variables | default | meaning |",
        "|---|---|---|---|",
    )
    for setting in SETTINGS:
        names = ", ".join(f"`{name}`" for name in setting.names)
        default = "" if setting.default is None else f"`{setting.default}`"
        note = (
            " (accepted; without effect in this version)" if setting.field in WITHOUT_EFFECT else ""
        )
        yield f"| `{setting.field}` | {names} | {default} | {cell(setting.description)}{note} |"


def described() -> list[dict[str, Any]]:
    """The groups of ``error-codes.yaml``: ``title``, ``about`` and ``codes`` with meaning and advice."""
    groups: list[dict[str, Any]] = yaml.safe_load((docs / "error-codes.yaml").read_text("utf-8"))
    return groups


def code_lines() -> Iterator[str]:
    """What every code means and what to do about it."""
    yield from (
        "Every error, warning and unscored answer carries a code that does not change between versions. It",
        "stands in brackets at the end of a message and in the field `code` of JSON documents and tables.",
    )
    for group in described():
        yield from (
            "",
            f"## {group['title']}",
            "",
            group["about"],
            "",
            "| code | meaning | what to do |",
            "|---|---|---|",
        )
        for code, (meaning, advice) in sorted(group["codes"].items()):
            yield f"| `{code}` | {cell(meaning)} | {cell(advice)} |"


def code_problems() -> Iterator[str]:
    """Codes that nobody described, and descriptions of codes that nothing raises."""
    known = {code for group in described() for code in group["codes"]}
    raised, words = codes_of_the_code()
    yield from (f"error-codes.yaml does not describe {code!r}" for code in sorted(raised - known))
    built = {code for code in known if code.startswith(("unknown_", "duplicate_"))}
    gone = known - raised - words - built
    yield from (f"error-codes.yaml describes {code!r}, which is gone" for code in sorted(gone))


def codes_of_the_code() -> tuple[set[str], set[str]]:
    """Codes that stand where codes stand, and all texts that look like one."""
    raised: set[str] = set()
    words: set[str] = set()
    files = (
        path for name in ("pipex_core", "pipex_dagster") for path in (root / name).rglob("*.py")
    )
    for path in sorted(files):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words |= {node.value} if snake.fullmatch(node.value) else set()
            elif isinstance(node, ast.Call):
                raised |= set(codes_of_call(node))
            elif isinstance(node, ast.ClassDef) and node.bases:
                raised |= set(codes_of_class(node))
    return raised, words


def codes_of_call(call: ast.Call) -> Iterator[str]:
    """The code that a call hands over by name, or as the first argument of a method that tells."""
    values = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    if isinstance(call.func, ast.Attribute) and call.func.attr in tellers and call.args:
        values.append(call.args[0])
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            word = value.value
            if (
                snake.fullmatch(word)
                and not word.startswith("pipex_")
                and ("_" in word or word in one_word)
            ):
                yield word


# Codes of one word, which would be taken for other texts.
one_word = {
    "auth", "budget", "cancelled", "connection", "overloaded", "timeout", "truncated",
}  # fmt: skip


def codes_of_class(node: ast.ClassDef) -> Iterator[str]:
    """The code that an error class carries."""
    for line in node.body:
        if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
            target = line.targets[0] if isinstance(line, ast.Assign) else line.target
            if isinstance(target, ast.Name) and target.id == "code" and line.value.value:
                yield str(line.value.value)


def python_lines() -> Iterator[str]:
    """Signature and contract of every name of the facade."""
    facade = import_module("pipex_core")
    yield from (
        "`import pipex_core` is cheap: each name is imported from its module when it is first used.",
        "The calls are synchronous and also work in a notebook; `arun_eval` is for code with a loop of its own.",
    )
    for name in facade.__all__:
        found = getattr(facade, name)
        signature = (
            f"{name}{inspect.signature(found)}" if inspect.isfunction(found) else f"class {name}"
        )
        if inspect.iscoroutinefunction(found):
            signature = f"async {signature}"
        text = inspect.getdoc(found) or ""
        yield from ("", f"## {name}", "", "```python", plain_types(signature), "```", "")
        yield from docstring_lines(text)


def plain_types(signature: str) -> str:
    """A signature without the modules of its types."""
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z_])", "", signature).replace("'", "")


def docstring_lines(text: str) -> Iterator[str]:
    """A docstring of the house style as Markdown: its sections become lists."""
    for line in text.replace("``", "`").splitlines():
        item = re.fullmatch(r"    (\*{0,2}\w[\w ,`*]*): (.*)", line)
        if re.fullmatch(r"(Args|Attributes|Raises|Returns|Yields|Source):", line):
            yield from (f"**{line[:-1]}**", "")
        elif item:
            yield f"- `{item[1]}`: {item[2]}"
        else:
            yield f"  {line.strip()}" if line.startswith("     ") else line.strip()


def sentence(text: str) -> str:
    """Words as a sentence of their own."""
    capital = text[:1].upper() + text[1:]
    return capital if capital.endswith(".") else f"{capital}."


def cell(text: str) -> str:
    """Text that does not break a table."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
