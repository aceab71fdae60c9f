//! Lists: as a table, as one JSON document, or as a line of JSON per item.

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::printable::{self, fitting, padded, printable, width};

/// How to print a list.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Format {
    /// How to print the list. A table in a pipe has the same columns as on a terminal, uncut and without colour
    #[arg(short, long, value_enum, default_value_t = Shape::Table)]
    output: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Columns for people
    Table,
    /// One JSON array
    Json,
    /// One JSON object per line, as soon as it is there
    Ndjson,
}

/// An item of a list: its columns for people; its `Serialize` for programs.
pub(crate) trait Row: Serialize {
    /// The names of the columns.
    const HEADINGS: &'static [&'static str];
    /// What stands in them.
    fn cells(&self) -> Vec<String>;
}

/// Prints a list piece by piece, so that a long one neither fills memory nor keeps its reader waiting.
#[derive(Debug)]
pub(crate) struct Listing<W> {
    out: W,
    shape: Shape,
    /// The widths of the columns, fixed by the first piece.
    widths: Option<Vec<usize>>,
    count: usize,
    bold: bool,
    /// No line of a table is longer than this.
    cut: Option<usize>,
}

impl Listing<io::StdoutLock<'static>> {
    /// A list on stdout.
    pub(crate) fn on_stdout(format: Format) -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        let cut = terminal.then(|| usize::from(console_width())).filter(|width| *width > 0);
        let bold = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out: out.lock(), shape: format.output, widths: None, count: 0, bold, cut }
    }
}

fn console_width() -> u16 {
    rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col)
}

impl<W: Write> Listing<W> {
    /// Prints some items.
    pub(crate) fn add<R: Row>(&mut self, rows: &[R]) -> io::Result<()> {
        match self.shape {
            Shape::Table => self.add_to_table(rows)?,
            Shape::Ndjson => {
                for row in rows {
                    writeln!(self.out, "{}", json(row)?)?;
                }
            }
            Shape::Json => {
                for row in rows {
                    self.out.write_all(if self.count == 0 { b"[\n" } else { b",\n" })?;
                    self.out.write_all(json(row)?.as_bytes())?;
                    self.count += 1;
                }
            }
        }
        self.out.flush()
    }

    /// Ends the list.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.shape == Shape::Json {
            self.out.write_all(if self.count == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }

    fn add_to_table<R: Row>(&mut self, rows: &[R]) -> io::Result<()> {
        let cells: Vec<Vec<String>> =
            rows.iter().map(|row| row.cells().iter().map(|cell| printable(cell)).collect()).collect();
        let widths = match self.widths.take() {
            Some(widths) => widths,
            None => {
                let widths = widths_of(R::HEADINGS, &cells);
                let headings: Vec<String> = R::HEADINGS.iter().map(|&heading| heading.to_owned()).collect();
                let line = line_of(&headings, &widths, self.cut);
                if self.bold {
                    writeln!(self.out, "\x1b[1m{line}\x1b[0m")?
                } else {
                    writeln!(self.out, "{line}")?
                }
                widths
            }
        };
        for row in &cells {
            writeln!(self.out, "{}", line_of(row, &widths, self.cut))?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

fn json<R: Row>(row: &R) -> io::Result<String> {
    Ok(printable::json(&serde_json::to_string(row)?))
}

fn widths_of(headings: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = headings.iter().map(|heading| width(heading)).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    widths
}

fn line_of(cells: &[String], widths: &[usize], cut: Option<usize>) -> String {
    let columns: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| padded(cell, *width)).collect();
    let line = columns.join("  ");
    let line = line.trim_end();
    cut.map_or_else(|| line.to_owned(), |cut| fitting(line, cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, &'static str);

    impl Row for Pair {
        const HEADINGS: &'static [&'static str] = &["ID", "NAME"];
        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
    }

    fn printed(shape: Shape, cut: Option<usize>, pieces: &[&[Pair]]) -> String {
        let mut out = Vec::new();
        let mut listing = Listing { out: &mut out, shape, widths: None, count: 0, bold: false, cut };
        for piece in pieces {
            listing.add(piece).expect("written");
        }
        listing.end().expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_table_keeps_its_columns_over_pieces() {
        let text = printed(Shape::Table, None, &[&[Pair("10", "a"), Pair("9", "b\u{1b}[2J\nc")], &[Pair("8", "d")]]);
        assert_eq!(text, "ID  NAME\n10  a\n9   b\\x1b[2J␤c\n8   d\n");
    }

    #[test]
    fn a_table_is_cut_at_the_edge_of_the_terminal() {
        assert_eq!(printed(Shape::Table, Some(6), &[&[Pair("1", "abcdef")]]), "ID  N…\n1   a…\n");
    }

    #[test]
    fn wide_characters_keep_the_columns() {
        let text = printed(Shape::Table, None, &[&[Pair("漢字", "a"), Pair("1", "b")]]);
        assert_eq!(text, "ID    NAME\n漢字  a\n1     b\n");
    }

    #[test]
    fn json_is_one_document_also_when_empty() {
        for pieces in [&[] as &[&[Pair]], &[&[Pair("1", "a")], &[Pair("2", "b")]]] {
            let text = printed(Shape::Json, None, pieces);
            let items: Vec<(String, String)> = serde_json::from_str(&text).expect("a document");
            assert_eq!(items.len(), pieces.len());
        }
    }

    #[test]
    fn ndjson_is_a_line_each() {
        assert_eq!(
            printed(Shape::Ndjson, None, &[&[Pair("1", "a")], &[Pair("2", "b")]]),
            "[\"1\",\"a\"]\n[\"2\",\"b\"]\n"
        );
    }
}
