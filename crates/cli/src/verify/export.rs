//! The differences in a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tributary_engine::Difference;

use super::render::{COLUMNS, Row};

/// Writes CSV when the file's name says so, otherwise one JSON object a line.
///
/// # Errors
/// When the file cannot be written.
pub fn write(file: File, path: &Path, differences: &[Difference]) -> io::Result<()> {
    let csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let mut out = BufWriter::new(file);
    if csv {
        writeln!(out, "{}", COLUMNS.join(","))?;
    }
    for difference in differences {
        let row = Row::new(difference);
        if csv {
            writeln!(out, "{}", row.cells().map(|cell| quoted(&cell)).join(","))?;
        } else {
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        }
    }
    out.flush()
}

/// A cell of CSV (RFC 4180).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\""), "\"say \"\"x\"\"\"");
    }
}
