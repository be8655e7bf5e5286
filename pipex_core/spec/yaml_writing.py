"""Values -> YAML that means the same in YAML 1.2 and 1.1."""

import re
from typing import Final

import yaml

from pipex_core.jsonvalue import Json


class _Dumper(yaml.SafeDumper):
    """Quotes text that would be another scalar in YAML 1.2 as well as in 1.1, and writes no alias."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    list("-+0123456789"),
)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
    list("-+.0123456789"),
)


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Text of several lines as a block, where its content allows one."""
    style = "|" if "\n" in text else None
    # PyYAML takes these for line ends and would fold them into blanks.
    if _other_line_ends.intersection(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_other_line_ends: Final = frozenset("\x85\u2028\u2029")
_Dumper.add_representer(str, _text_node)


def write_yaml(data: Json) -> str:
    """A value as YAML, keys in stored order, ended by a line end; ``read_yaml`` gives the value back."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
