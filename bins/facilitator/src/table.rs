//! Rows of JSON as columns for people, or as comma-separated values for programs.

use serde_json::Value;

/// A member as text; empty if there is none.
pub(crate) fn text(row: &Value, name: &str) -> String {
    match row.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Columns as wide as their widest cell, without a line break at the end.
pub(crate) fn table(columns: &[&str], rows: &[Value]) -> String {
    let head: Vec<String> = columns.iter().map(|column| column.replace('_', " ")).collect();
    let cells = |row: &Value| -> Vec<String> { columns.iter().map(|column| text(row, column)).collect() };
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let shown = lines.iter().map(|line| {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// A head and a line per row (RFC 4180, but for the line ends), without a line break at the end.
pub(crate) fn csv(columns: &[&str], rows: &[Value]) -> String {
    let mut lines = vec![columns.join(",")];
    lines.extend(rows.iter().map(|row| line(columns.iter().map(|column| text(row, column)))));
    lines.join("\n")
}

/// One line of comma-separated values.
pub(crate) fn line(cells: impl Iterator<Item = String>) -> String {
    cells.map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",")
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_is_quoted_where_it_must_be() {
        let rows = [json!({ "a": "x,\"y\"", "b": 3, "c": null })];
        assert_eq!(csv(&["a", "b", "c", "d"], &rows), "a,b,c,d\n\"x,\"\"y\"\"\",3,,");
        assert_eq!(table(&["a", "b"], &[json!({ "a": "long", "b": "1" })]), "a     b\nlong  1");
    }
}
