"""The script of an HTML report: it filters, sorts and pages the table of cases, from data in the page.

It loads nothing, and makes elements from texts only, never markup. Without it the table is complete up
to its first rows, and everything else in the page works.
"""

from typing import Final

_source: Final = """
"use strict";
(() => {
  const source = document.getElementById("case-data");
  const table = document.getElementById("cases");
  const tools = document.getElementById("case-tools");
  if (!source || !table || !tools) return;
  const {columns, rows} = JSON.parse(source.textContent);
  const body = table.tBodies[0];
  const size = 50, longest = 90;
  const signs = {passed: ["pass", "\\u2713"], failed: ["fail", "\\u2717"]};
  let chosen = rows, page = 0, order = -1, down = false;

  const make = (name, text, attributes = {}) => {
    const one = document.createElement(name);
    if (text !== undefined) one.textContent = text;
    for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
    return one;
  };
  const shown = (value) => {
    if (value === null) return "-";
    const rounded = Number(value.toPrecision(3));
    return Math.abs(rounded) < 1000 ? String(rounded) : rounded.toLocaleString("en");
  };
  const badge = (word) => {
    const [look, sign] = signs[word] || ["open", "?"];
    const one = make("span", undefined, {class: "badge " + look});
    one.append(make("span", sign + " ", {"aria-hidden": "true"}), word);
    return one;
  };
  const long = (text) => {
    const one = make("details", undefined, {class: "plain"});
    one.append(make("summary", text.slice(0, longest) + "\\u2026"), make("pre", text));
    return one;
  };
  const cell = (kind, value) => {
    if (kind === "head") return make("th", value, {scope: "row"});
    if (kind === "number") return make("td", shown(value), {class: "num"});
    const one = make("td", undefined, kind === "text" ? {class: "text"} : {});
    if (kind === "result") one.append(badge(value));
    else if (value === null) one.append("-");
    else one.append(value.length > longest ? long(value) : value);
    return one;
  };
  const draw = () => {
    const last = Math.max(0, Math.ceil(chosen.length / size) - 1);
    page = Math.min(page, last);
    body.replaceChildren(...chosen.slice(page * size, (page + 1) * size).map((row) => {
      const line = make("tr");
      line.append(...row.map((value, i) => cell(columns[i][1], value)));
      return line;
    }));
    status.textContent = chosen.length + " of " + rows.length + " answers, page "
      + (page + 1) + " of " + (last + 1);
    back.disabled = page === 0;
    next.disabled = page === last;
  };
  const compared = (a, b) => {
    if (a === b) return 0;
    if (a === null) return 1;
    if (b === null) return -1;
    return (a < b ? -1 : 1) * (down ? -1 : 1);
  };
  const choose = () => {
    const wanted = search.value.toLowerCase(), result = results.value;
    chosen = rows.filter((row) => (!result || row[1] === result) && (!wanted || row.some(
      (value) => typeof value === "string" && value.toLowerCase().includes(wanted))));
    if (order >= 0) chosen = [...chosen].sort((a, b) => compared(a[order], b[order]));
    draw();
  };
  const label = (text, control) => {
    const one = make("label", text + " ");
    one.append(control);
    return one;
  };
  const search = make("input", undefined, {type: "search", autocomplete: "off"});
  const results = make("select");
  results.append(make("option", "all", {value: ""}));
  for (const word of new Set(rows.map((row) => row[1]))) {
    results.append(make("option", word, {value: word}));
  }
  const back = make("button", "Previous", {type: "button"});
  const next = make("button", "Next", {type: "button"});
  const status = make("output");
  search.addEventListener("input", () => { page = 0; choose(); });
  results.addEventListener("change", () => { page = 0; choose(); });
  back.addEventListener("click", () => { page -= 1; draw(); });
  next.addEventListener("click", () => { page += 1; draw(); });
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    const button = make("button", head.textContent, {type: "button", class: "sort"});
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      down = order === i && !down;
      order = i;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      choose();
    });
  });
  tools.append(label("Search", search), label("Result", results), back, next, status);
  tools.hidden = false;
  draw();
})();
"""


def page_script() -> str:
    """The whole script; it holds no data, so its hash is the same for every report."""
    return _source
