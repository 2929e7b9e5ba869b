//! What people and programs see: progress on stderr, the result on stdout.

use std::io::{self, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::args::Form;
use crate::figure::Figure;

/// Says what is going on now.
pub(crate) fn progress(text: &str) {
    // Nobody may be reading.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints the result.
pub(crate) fn result(form: Form, figures: &[Figure]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match form {
        Form::Table => writeln!(out, "{}", table(figures)),
        Form::Json => {
            serde_json::to_writer_pretty(&mut out, figures)?;
            writeln!(out)
        }
    }
}

fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["figure", "median", "min", "max", "unit", "compared"]);
    for figure in figures {
        let ratio = figure.ratio.as_ref();
        table.add_row([
            figure.name.clone(),
            number(figure.median),
            number(figure.min),
            number(figure.max),
            figure.unit.to_owned(),
            ratio.map_or_else(String::new, |ratio| {
                format!("{} {}", number(ratio.value), ratio.of)
            }),
        ]);
    }
    for column in 1..=3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Four digits are more than a benchmark can promise.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => grouped(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_can_be_read() {
        let cases = [
            (0.0, "0.00"),
            (0.0421, "0.042"),
            (3.456, "3.46"),
            (34.56, "34.6"),
            (345.6, "346"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(1_234_567.0), "1 234 567");
        assert_eq!(number(-123_456.0), "-123 456");
    }
}
