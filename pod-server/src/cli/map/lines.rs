//! Reading lines of input, one after the other, and no further ahead than they can be used.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use pod_core::Limits;
use tokio::sync::mpsc;

use crate::cli::{failure::Failure, input};

/// How many lines are read ahead.
const AHEAD: usize = 1000;

/// A line without its end, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) text: String,
}

/// Reads a file, or stdin for `-`, on a thread of its own. A line that cannot be an input is an error and the last item.
pub(super) fn read(path: &Path) -> Result<mpsc::Receiver<Result<Line, Failure>>, Failure> {
    let reader: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let unreadable = |error| {
            let path = path.display();
            Failure::new(format!("{path} cannot be read ({error}); give a file with one input per line"))
        };
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        Box::new(file)
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut reader = BufReader::with_capacity(64 << 10, reader);
        let mut number = 0;
        loop {
            number += 1;
            let line = next(&mut reader, number);
            let is_last = !matches!(line, Ok(Some(_)));
            // Nobody listens any more when the command ends early.
            if let Some(item) = line.transpose()
                && sender.blocking_send(item).is_err()
            {
                return;
            }
            if is_last {
                return;
            }
        }
    });
    Ok(receiver)
}

fn next(reader: &mut impl BufRead, number: u64) -> Result<Option<Line>, Failure> {
    let wrong = |what: String| Failure::new(format!("line {number} of the input cannot be run: {what}"));
    // One byte more than allowed, and the two of the line's end.
    let limit = Limits::default().max_input as u64 + 3;
    let mut bytes = Vec::new();
    let count = reader.take(limit).read_until(b'\n', &mut bytes).map_err(|error| wrong(error.to_string()))?;
    if count == 0 {
        return Ok(None);
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        wrong(format!("it is not UTF-8 text (byte {at}); encode it, for example with base64"))
    })?;
    input::check(&text).map_err(|failure| wrong(failure.to_string()))?;
    Ok(Some(Line { number, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Result<Option<Line>, String>> {
        let mut lines = Vec::new();
        for number in 1.. {
            let line = next(&mut bytes, number).map_err(|failure| failure.to_string());
            let ends = !matches!(line, Ok(Some(_)));
            lines.push(line);
            if ends {
                break;
            }
        }
        lines
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        all(bytes).into_iter().map_while(|line| line.expect("a line")).map(|line| line.text).collect()
    }

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        assert_eq!(texts(b"a\r\n\n  b \nlast"), ["a", "", "  b ", "last"]);
        assert_eq!(texts(b""), [""; 0]);
        assert_eq!(texts(b"\n"), [""]);
    }

    #[test]
    fn a_line_that_cannot_be_run_is_named() {
        for (bytes, expected) in [(&b"a\n\xff\n"[..], "not UTF-8"), (b"a\nb\0\n", "NUL")] {
            let lines = all(bytes);
            let error = lines.last().expect("lines").as_ref().expect_err("refused");
            assert!(error.starts_with("line 2 ") && error.contains(expected), "{error}");
        }
        let long = vec![b'x'; (1 << 20) + 1];
        assert!(all(&long)[0].as_ref().expect_err("refused").starts_with("line 1 "));
    }
}
