//! Reads lines of input, a bounded number ahead.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use pod_core::Limits;
use tokio::sync::mpsc;

use crate::cli::{failure::Failure, input};

/// Lines that are read ahead.
const READ_AHEAD_LINES: usize = 1000;

/// A line without its end, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    /// The input, or why this line cannot be one.
    pub(super) text: Result<String, String>,
}

/// Reads a file, or stdin for `-`, on a thread of its own. That it cannot be read on is the last item.
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
    let (sender, receiver) = mpsc::channel(READ_AHEAD_LINES);
    std::thread::spawn(move || {
        let mut reader = BufReader::with_capacity(64 << 10, reader);
        let mut number = 0;
        loop {
            number += 1;
            let line = next(&mut reader, number)
                .map_err(|error| Failure::new(format!("line {number} of the input cannot be read: {error}")));
            let is_last = !matches!(line, Ok(Some(_)));
            // The receiver is gone when the command ends early.
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

fn next(reader: &mut impl BufRead, number: u64) -> io::Result<Option<Line>> {
    let longest = Limits::default().max_input;
    // One byte more than allowed, and the two of the line's end.
    let limit = longest as u64 + 3;
    let mut bytes = Vec::new();
    if reader.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    } else if bytes.len() as u64 == limit {
        reader.skip_until(b'\n')?;
        let why = format!(
            "it has more than the {longest} bytes that an input may have; put it into a file and give its path"
        );
        return Ok(Some(Line { number, text: Err(why) }));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("it is not UTF-8 text (byte {at}); encode it, for example with base64")
    });
    let text = text.and_then(|text| match input::check(&text) {
        Ok(()) => Ok(text),
        Err(failure) => Err(failure.to_string()),
    });
    Ok(Some(Line { number, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Result<String, String>> {
        let mut lines = Vec::new();
        for number in 1.. {
            let Some(line) = next(&mut bytes, number).expect("bytes can be read") else { break };
            assert_eq!(line.number, number);
            lines.push(line.text);
        }
        lines
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        all(bytes).into_iter().map(|line| line.expect("a line")).collect()
    }

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        assert_eq!(texts(b"a\r\n\n  b \nlast"), ["a", "", "  b ", "last"]);
        assert_eq!(texts(b""), [""; 0]);
        assert_eq!(texts(b"\n"), [""]);
    }

    #[test]
    fn a_line_that_cannot_be_run_is_one_among_the_others() {
        let long = [b"a\n", &vec![b'x'; 3 << 20][..], b"\nc\n"].concat();
        let barely = [b"a\n", &vec![b'x'; (1 << 20) + 1][..], b"\r\nc"].concat();
        for (bytes, expected) in
            [(&b"a\n\xff\nc\n"[..], "not UTF-8"), (b"a\nb\0\nc\n", "NUL"), (&long, "1048576"), (&barely, "1048576")]
        {
            let lines = all(bytes);
            assert_eq!((lines.len(), &lines[0], &lines[2]), (3, &Ok("a".to_owned()), &Ok("c".to_owned())));
            let why = lines[1].as_ref().expect_err("refused");
            assert!(why.contains(expected), "{why}");
        }
        let most = [&vec![b'x'; 1 << 20][..], b"\r\n"].concat();
        assert_eq!(texts(&most)[0].len(), 1 << 20);
    }
}
