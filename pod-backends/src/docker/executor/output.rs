//! What a container says: its output, and around it what its init tells of it.

use bollard::container::{AttachContainerResults, LogOutput};
use bytes::{Buf, Bytes};
use futures::StreamExt;
use pod_core::domain::Stream;

use crate::process::wire::{End, HEARS, LAST_WORDS, Report, mark};

/// What a container says while it runs.
#[derive(Debug)]
pub(super) enum Said {
    /// Signals reach what runs in it from now on.
    Hears,
    /// Some bytes of its output, at least one.
    Printed(Stream, Bytes),
}

/// Listens to a container.
pub(super) struct Output {
    attached: AttachContainerResults,
    hears: bool,
    rest: Bytes,
    last_words: Option<LastWords>,
    end: Option<End>,
}

impl Output {
    /// The init of the container was given this token.
    pub(super) fn new(attached: AttachContainerResults, token: &str) -> Self {
        let last_words = Some(LastWords::new(token));
        Self { attached, hears: false, rest: Bytes::new(), last_words, end: None }
    }

    /// What comes next; nothing when it has ended, or the engine has. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Said> {
        loop {
            if !self.rest.is_empty() {
                return Some(Said::Printed(Stream::Stdout, std::mem::take(&mut self.rest)));
            }
            let (stream, mut bytes) = match self.attached.output.next().await {
                Some(Ok(LogOutput::StdErr { message })) => (Stream::Stderr, message),
                Some(Ok(other)) => (Stream::Stdout, other.into_bytes()),
                Some(Err(_)) | None => {
                    (self.rest, self.end) = self.last_words.take()?.read();
                    continue;
                }
            };
            if stream == Stream::Stderr {
                if !bytes.is_empty() {
                    return Some(Said::Printed(stream, bytes));
                }
                continue;
            }
            let begins = !self.hears && bytes.first() == Some(&HEARS);
            if begins {
                bytes.advance(1);
                self.hears = true;
            }
            self.rest = self.last_words.as_mut()?.pass(bytes);
            if begins {
                return Some(Said::Hears);
            }
        }
    }

    /// How the program ended, after the last of its output; nothing when its init could not tell.
    pub(super) fn end(&self) -> Option<End> {
        self.end
    }
}

/// Keeps the last words of the init from the output that they end. Whatever could be the beginning of them waits until
/// one knows; that begins with a byte that no text has.
#[derive(Debug)]
struct LastWords {
    mark: Vec<u8>,
    held: Bytes,
}

impl LastWords {
    fn new(token: &str) -> Self {
        Self { mark: mark(token.as_bytes()), held: Bytes::new() }
    }

    /// What of all that came until now is output for certain.
    fn pass(&mut self, more: Bytes) -> Bytes {
        let mut all =
            if self.held.is_empty() { more } else { Bytes::from([std::mem::take(&mut self.held), more].concat()) };
        let could_be = |&at: &usize| {
            let tail = &all[at..];
            let known = tail.len().min(self.mark.len());
            tail[..known] == self.mark[..known]
        };
        let earliest = all.len().saturating_sub(self.mark.len() + LAST_WORDS);
        if let Some(at) = (earliest..all.len()).find(could_be) {
            self.held = all.split_off(at);
        }
        all
    }

    /// At the end of the output: what of it was held back, or how the program ended.
    fn read(self) -> (Bytes, Option<End>) {
        let words = self.held.strip_prefix(&self.mark[..]).and_then(Report::decode_packet);
        match words.as_ref().map(|(_, reports)| &reports[..]) {
            Some([Report::Ended { end, .. }]) => (Bytes::new(), Some(*end)),
            _ => (self.held, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Write,
        os::unix::fs::OpenOptionsExt,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::process::{
        program::PROGRAM,
        wire::{BEGIN, last_words},
    };

    const TOKEN: &str = "0123456789abcdef";

    /// What is handed on of an output that comes in pieces of that size, and how it ended.
    fn listen(output: &[u8], size: usize) -> (Vec<u8>, Option<End>) {
        let mut words = LastWords::new(TOKEN);
        let mut passed = Vec::new();
        for piece in output.chunks(size) {
            passed.extend(words.pass(Bytes::copy_from_slice(piece)));
        }
        let (rest, end) = words.read();
        passed.extend(rest);
        (passed, end)
    }

    #[test]
    fn last_words_are_understood_and_no_byte_before_them_is_missing() {
        let words = last_words(TOKEN.as_bytes(), 1, End::Signalled(9));
        let mark = mark(TOKEN.as_bytes());
        for printed in [&b""[..], b"hello\n", b"\xff", b"\xff\xff0123", &mark, &words, &[0xff; 300]] {
            for size in 1..70 {
                let whole = [printed, &words].concat();
                assert_eq!(listen(&whole, size), (printed.to_vec(), Some(End::Signalled(9))), "in pieces of {size}");
                assert_eq!(listen(&whole[..whole.len() - 1], size), (whole[..whole.len() - 1].to_vec(), None));
            }
        }
    }

    /// What an init says that is told this, and whether its program has run.
    fn init(told: &[u8]) -> (Option<End>, bool) {
        let dir = tempfile::tempdir().expect("a directory");
        let (program, ran) = (dir.path().join("init"), dir.path().join("ran"));
        let mut file = fs::File::options().create_new(true).write(true).mode(0o700).open(&program).expect("a file");
        file.write_all(PROGRAM).expect("a program");
        drop(file);
        let mut command = Command::new(program);
        command
            .args(["init-program", TOKEN, "open", "here", "touch"])
            .arg(&ran)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(told).expect("it reads");
        let said = child.wait_with_output().expect("it ends").stdout;
        assert_eq!(said[0], HEARS);
        (listen(&said[1..], 64).1, ran.exists())
    }

    #[test]
    fn a_program_runs_only_when_its_init_is_told_to_begin() {
        assert_eq!(init(&[BEGIN]), (Some(End::Exited(0)), true));
        assert_eq!(init(&[]), (None, false), "whoever started the container is gone");
        assert_eq!(init(&[BEGIN + 1]), (None, false));
    }

    #[test]
    fn text_is_never_held_back() {
        let mut words = LastWords::new(TOKEN);
        for text in ["ready\n", "0123456789abcdef", "\u{6}"] {
            assert_eq!(words.pass(Bytes::from(text)), text);
        }
    }
}
