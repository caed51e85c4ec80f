// Tables that become cards where there is no room for columns: each cell carries the name of its column.

import { h } from "./dom.js";

/** What stands in a cell that has nothing. */
export const NONE = "–";

/**
 * A table. `columns` are `{title, cell(row), number, main}`: `number` sets a column to the right, `main` names the row.
 * `key(row)` tells rows apart.
 */
export function table(caption, columns, rows, key) {
  const head = columns.map((column) =>
    h("th", { scope: "col", class: column.number ? "number" : "" }, column.title || h("span", { class: "unseen" }, "Actions")),
  );
  const line = (row) =>
    h("tr", { "data-key": key(row) }, columns.map((column) => cell(column, row)));
  return h(
    "div",
    { class: "table-scroll", tabindex: "0", role: "region", "aria-label": caption, "data-key": `table-${caption}` },
    h("table", null, h("caption", { class: "unseen" }, caption), h("thead", null, h("tr", null, head)), h("tbody", null, rows.map(line))),
  );
}

function cell(column, row) {
  const content = column.cell(row);
  // On a phone what is not there is left out.
  const kind = [column.number && "number", column.main && "main", !column.title && "acts", content === NONE && "none"].filter(Boolean).join(" ");
  if (column.main) return h("th", { scope: "row", class: kind, "data-title": column.title }, content);
  return h("td", { class: kind, "data-title": column.title }, content);
}
