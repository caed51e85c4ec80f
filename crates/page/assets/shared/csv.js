// Comma-separated values, for a spreadsheet.

/** A cell. One that a spreadsheet would take for a formula is made text: names in it are other people's. */
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const plain = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Lines of a table. */
export const lines = (rows) => rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");

/** Has the browser keep a file of these parts. */
export function save(name, parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
