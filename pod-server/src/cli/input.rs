//! Inputs of executions, from the command line or from stdin.

use std::io::{self, Read};

use pod_core::{Limits, domain::validate_input};

use super::failure::Failure;

/// Reads the input argument: `-` stands for all of stdin, byte for byte, a final newline included.
///
/// What no manager would take is refused here, before it is sent.
pub(crate) fn read(given: Option<String>) -> Result<Option<String>, Failure> {
    match given.as_deref() {
        Some("-") => from_reader(io::stdin().lock()).map(Some),
        Some(text) => check(text).map(|()| given),
        None => Ok(None),
    }
}

/// Checks one input.
pub(crate) fn check(text: &str) -> Result<(), Failure> {
    validate_input(text, Limits::default().max_input).map_err(|error| Failure::new(error.to_string()))
}

fn from_reader(reader: impl Read) -> Result<String, Failure> {
    let limit = Limits::default().max_input;
    let mut bytes = Vec::new();
    reader
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("stdin cannot be read: {error}")))?;
    if bytes.len() > limit {
        return Err(Failure::new(format!(
            "stdin holds more than {limit} bytes, the most that an input may have; put it into a file and give its path"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(format!("stdin is not UTF-8 text (byte {at}); encode it, for example with base64"))
    })?;
    check(&text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stdin_is_taken_exactly() {
        assert_eq!(from_reader(&b"a\r\nb\n"[..]).expect("taken"), "a\r\nb\n");
        assert_eq!(from_reader(&b""[..]).expect("taken"), "");
    }

    #[test]
    fn what_is_no_input_is_refused_with_a_sentence() {
        let cases: [(&[u8], &str); 3] = [
            (b"a\xffb", "not UTF-8 text (byte 1)"),
            (b"a\0b", "NUL character at byte 1"),
            (&[b'x'; (1 << 20) + 1], "more than 1048576 bytes"),
        ];
        for (bytes, expected) in cases {
            let message = from_reader(bytes).expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
