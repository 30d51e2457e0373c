"use strict";
const said = document.getElementById("said");

// Sorting: a button in each column's head; numbers by the cell's data-value, text by its letters.
function valueOf(row, column, kind) {
  const cell = row.cells[column];
  return kind === "number" ? Number(cell.dataset.value) : cell.textContent.trim();
}

function sortBy(table, head) {
  const kind = head.dataset.sort;
  const before = head.getAttribute("aria-sort");
  const first = kind === "number" ? "descending" : "ascending";
  const other = kind === "number" ? "ascending" : "descending";
  const order = before === first ? other : first;
  const sign = order === "ascending" ? 1 : -1;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, head.cellIndex, kind), row]);
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  rows.sort((a, b) => sign * (kind === "number" ? a[0] - b[0] : compare(a[0], b[0])));
  body.append(...rows.map((pair) => pair[1]));
  for (const cell of head.parentElement.cells) cell.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  said.textContent = `Sorted by ${head.textContent.trim()}, ${order}.`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, head));
    head.append(button);
  }
}

// Filtering: by what a row says and by its kind; the output counts what is left.
for (const form of document.querySelectorAll("form.filter")) {
  const rows = [...document.getElementById(form.dataset.filter).tBodies[0].rows];
  const [text, kind, output] = ["input", "select", "output"].map((name) => form.querySelector(name));
  const update = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      const named = words.every((word) => content.includes(word));
      row.hidden = !named || Boolean(kind && kind.value && row.dataset.kind !== kind.value);
    }
    const left = rows.filter((row) => !row.hidden);
    const share = left.reduce((sum, row) => sum + Number(row.dataset.share), 0);
    const part = rows[0].dataset.share === undefined ? "" : `, ${(100 * share).toFixed(1)} % of the time`;
    output.textContent = `${left.length} of ${rows.length} rows${part}`;
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  update();
}

// Raw data: a link opens its file, a button saves it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();

for (const raw of document.querySelectorAll("details.raw")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Save this file";
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.download = raw.dataset.file.replaceAll("/", "-");
    link.href = URL.createObjectURL(new Blob([raw.querySelector("pre").textContent]));
    link.click();
    URL.revokeObjectURL(link.href);
  });
  raw.querySelector("summary").after(button);
}
