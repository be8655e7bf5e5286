"""The source of PDF reports for Typst, a typesetting language; it reads all it shows from ``sys.inputs``."""

from typing import Final

source: Final = """
#let d = json(bytes(sys.inputs.data))
#let fonts = json(bytes(sys.inputs.fonts))
#set document(title: d.title)
#set text(font: fonts, lang: "en", size: 9.5pt)
#set par(leading: 0.6em)
#set page(
  paper: "a4",
  margin: (x: 18mm, top: 18mm, bottom: 20mm),
  footer: context {
    set text(size: 7.5pt, fill: rgb(d.soft))
    grid(columns: (1fr, auto), d.footer, counter(page).display("1 / 1", both: true))
  },
)
#show heading: set block(above: 1.6em, below: 0.7em)
#show heading.where(level: 1): set text(size: 13pt)
#show title: set text(size: 22pt, fill: rgb(d.ink))
#show table.cell.where(y: 0): set text(weight: "bold", fill: rgb(d.soft))
#block(fill: rgb(d.ground), stroke: (left: 4pt + rgb(d.ink)), inset: 14pt, width: 100%, radius: 3pt)[
  #title(d.verdict)
  #set text(size: 11pt)
  #d.why
  #if d.reasons.len() > 0 { set text(size: 9.5pt); list(..d.reasons.map(line => [#line])) }
]
#text(fill: rgb(d.soft), d.subject)
#for line in d.warnings { block(stroke: (left: 2pt + rgb(d.ink)), inset: 6pt, line) }
#for part in d.parts {
  heading(level: 1, part.title)
  if part.lines.len() > 0 { list(..part.lines.map(line => [#line])) }
  if part.rows.len() > 0 {
    set text(size: 7.5pt)
    let wide = part.header.len() > 6
    table(
      columns: if part.header.len() < 7 { (part.header.len() - 1) * (auto,) + (1fr,) } else { (1fr,) + (part.header.len() - 1) * (auto,) },
      align: part.align.map(side => if side == "right" { right + horizon } else { left + horizon }),
      stroke: (x, y) => (bottom: 0.4pt + rgb(d.rule)),
      inset: if wide { (x: 3pt, y: 4pt) } else { 4pt },
      table.header(..part.header.map(name => [#name])),
      ..part.rows.flatten().map(cell => [#cell]),
    )
  }
  if part.charts.len() > 0 {
    grid(
      columns: (1fr, 1fr, 1fr),
      gutter: 7mm,
      ..part.charts.map(chart => block(breakable: false, {
        text(size: 8pt, weight: "bold", chart.title)
        linebreak()
        image(bytes(chart.svg), format: "svg", alt: chart.told, width: 100%)
      }))
    )
  }
}
"""
probe: Final = """
#set document(title: "probe")
#set text(font: json(bytes(sys.inputs.fonts)), lang: "en")
#sys.inputs.data
"""
