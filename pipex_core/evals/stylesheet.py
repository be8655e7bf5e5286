"""The style of an HTML report: light, dark and on paper.

Text has a contrast of at least 4.5 to what it stands on, in both schemes; no font and no picture is
loaded. What a colour says, a word or a shape says too.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Palette = Mapping[str, str]

light: Final[Palette] = MappingProxyType({
    "paper": "#ffffff", "panel": "#f6f7f9", "rule": "#d5dae1", "ink": "#1b2430", "soft": "#535f6e",
    "link": "#0b57b0", "pass": "#0f6b3a", "pass-panel": "#e5f4eb", "fail": "#a81c1c",
    "fail-panel": "#fcebea", "open": "#7a4a00", "open-panel": "#fdf3dc", "bar": "#2f6fb5",
    "old": "#fbd9d7", "new": "#cfeeda",
})  # fmt: skip
dark: Final[Palette] = MappingProxyType({
    "paper": "#12171e", "panel": "#1b222c", "rule": "#3a4553", "ink": "#e8ecf1", "soft": "#a9b4c2",
    "link": "#86b9f5", "pass": "#6fd39a", "pass-panel": "#15301f", "fail": "#ff9a94",
    "fail-panel": "#3b1a1a", "open": "#f0c26a", "open-panel": "#35290f", "bar": "#6ea8e8",
    "old": "#5c2624", "new": "#1d4a2e",
})  # fmt: skip

# Pairs of text and ground that the style uses; each holds the contrast of 4.5 in both palettes.
text_on_ground: Final = (
    *(("ink", ground) for ground in ("paper", "panel", "old", "new")),
    *(("soft", ground) for ground in ("paper", "panel")),
    *(("link", ground) for ground in ("paper", "panel")),
    *((word, f"{word}-panel") for word in ("pass", "fail", "open")),
    *(("ink", f"{word}-panel") for word in ("pass", "fail", "open")),
)

_rules = """
*{box-sizing:border-box}
html{color-scheme:light dark;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;overflow-wrap:anywhere}
header,main,footer,nav{max-width:80rem;margin:0 auto;padding:0 1.5rem}
.skip{position:absolute;left:-99rem}
.skip:focus{position:static;display:inline-block;padding:.5rem 1.5rem}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible,input:focus-visible,select:focus-visible,button:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1,h2,h3{line-height:1.25;text-wrap:balance}
h2{font-size:1.3rem;margin:2.75rem 0 .75rem;padding-top:1rem;border-top:1px solid var(--rule)}
h3{font-size:1rem;margin:0}
.verdict{margin-top:2rem;padding:1.5rem 1.75rem;border-radius:.75rem;border-left:.5rem solid currentColor}
.verdict.pass{background:var(--pass-panel);color:var(--pass)}
.verdict.fail{background:var(--fail-panel);color:var(--fail)}
.verdict.open{background:var(--open-panel);color:var(--open)}
.verdict h1{font-size:2rem;margin:0;letter-spacing:.01em}
.verdict p{margin:.35rem 0 0;color:var(--ink);font-size:1.1rem}
.verdict .reasons{margin:.5rem 0 0;padding-left:1.2rem;color:var(--ink)}
.subject{color:var(--soft);margin:1rem 0 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1.25rem 0}
.tiles div{background:var(--panel);border:1px solid var(--rule);border-radius:.6rem;padding:.75rem 1rem}
dt{color:var(--soft);font-size:.85rem}
dd{margin:0;font-size:1.35rem;font-weight:650;font-variant-numeric:tabular-nums}
dd small{display:block;font-size:.82rem;font-weight:400;color:var(--soft)}
nav ul{display:flex;flex-wrap:wrap;gap:.35rem 1.25rem;list-style:none;padding:0;margin:.6rem 0 0}
ul.lines{padding-left:1.2rem;margin:.5rem 0}
.note{border-left:.3rem solid var(--open);background:var(--open-panel);padding:.75rem 1rem .75rem 2.2rem;border-radius:.4rem}
.scroll{position:relative;overflow-x:auto;border:1px solid var(--rule);border-radius:.6rem}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:.5rem .7rem;text-align:left;vertical-align:middle;border-top:1px solid var(--rule);overflow-wrap:normal}
thead tr:first-child th{border-top:0}
td svg{min-width:10.5rem}
thead th{background:var(--panel);color:var(--soft);font-weight:600;font-size:.82rem;white-space:nowrap}
table.wide{min-width:52rem}
td.text{min-width:13rem;max-width:26rem;overflow-wrap:anywhere}
td.chart{min-width:11.5rem}
details.plain{border:0;margin:0;background:none}
details.plain summary{padding:0}
details.plain pre{margin-top:.4rem;max-height:20rem;overflow:auto}
.hint{color:var(--soft);font-size:.88rem}
.tools{display:flex;flex-wrap:wrap;align-items:center;gap:.6rem 1rem;margin:.75rem 0}
.tools[hidden]{display:none}
.tools label{color:var(--soft);font-size:.88rem}
.tools output{color:var(--soft);font-size:.88rem;font-variant-numeric:tabular-nums}
input,select,button{font:inherit;font-size:.9rem;color:var(--ink);background:var(--paper);border:1px solid var(--soft);border-radius:.4rem;padding:.3rem .6rem;min-height:2rem}
button:disabled{opacity:1;color:var(--soft);border-style:dashed}
button.sort{border:0;background:none;padding:.2rem 0;color:var(--soft);font-weight:600;font-size:.82rem;cursor:pointer;text-decoration:underline dotted}
[aria-sort=ascending] button::after{content:" ▲";content:" ▲"/""}
[aria-sort=descending] button::after{content:" ▼";content:" ▼"/""}
.num{text-align:right;white-space:nowrap}
.badge{display:inline-block;border-radius:1rem;padding:.08rem .7rem;font-weight:650;font-size:.85rem;white-space:nowrap;border:1px solid currentColor}
.badge.pass{background:var(--pass-panel);color:var(--pass)}
.badge.fail{background:var(--fail-panel);color:var(--fail)}
.badge.open{background:var(--open-panel);color:var(--open)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1rem;margin-top:1rem}
figure{margin:0;border:1px solid var(--rule);border-radius:.6rem;padding:1rem;background:var(--paper)}
figcaption{color:var(--soft);font-size:.88rem}
details{border:1px solid var(--rule);border-radius:.6rem;margin:.5rem 0;background:var(--paper)}
summary{cursor:pointer;padding:.55rem .9rem}
details>div{padding:0 .9rem .9rem}
figure details{margin:.5rem 0 0}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr));gap:.9rem}
.label{color:var(--soft);font-size:.85rem;margin:.5rem 0 .2rem}
pre{margin:0;padding:.7rem .9rem;background:var(--panel);border-radius:.4rem;white-space:pre-wrap;font:.88rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
del{background:var(--old);text-decoration:line-through;text-decoration-thickness:2px}
ins{background:var(--new);text-decoration:underline;text-decoration-thickness:2px}
svg{max-width:100%;height:auto;display:block}
svg text{fill:var(--ink);font:11px system-ui,sans-serif}
svg .tick,svg .count{fill:var(--soft)}
svg .axis{stroke:var(--rule)}
svg .zero{stroke:var(--soft)}
svg .mark{stroke:var(--fail);stroke-width:2;stroke-dasharray:4 3}
svg .mean{stroke:var(--ink);stroke-width:2}
svg .span{stroke:var(--bar);stroke-width:4}
svg .cap{stroke:var(--bar);stroke-width:2}
svg .point{fill:var(--ink);stroke:var(--paper)}
svg .good{fill:var(--pass-panel)}
svg .column{fill:var(--bar)}
footer{margin-top:3rem;padding-bottom:2.5rem;color:var(--soft);font-size:.88rem}
@media print{
nav,.skip,.tools{display:none}
body{font-size:11pt}
.verdict,figure,details,tr{break-inside:avoid}
h2{break-after:avoid}
.scroll{overflow:visible;border:0}
table.wide{min-width:0;font-size:8pt}
th,td{padding:.25rem .35rem}
td.text{min-width:0}
details::details-content{content-visibility:visible;block-size:auto}
*{print-color-adjust:exact}
}
"""


def chart_style(palette: Palette) -> str:
    """The style of a chart that stands alone, with the colours written out."""
    own = (line.removeprefix("svg ") for line in _rules.splitlines() if line.startswith("svg "))
    return re.sub(r"var\(--([a-z-]+)\)", lambda name: palette[name[1]], "".join(own))


def stylesheet() -> str:
    """The whole style; paper is light whatever the screen is."""
    return (
        f":root{{{_variables(light)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(dark)}}}}}{_rules}"
    )


def _variables(palette: Palette) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in palette.items())
