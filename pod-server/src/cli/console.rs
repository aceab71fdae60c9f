//! The terminal, or whatever stands in its place: our own stdout and stderr, and the signals that people send.

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};

use pod_core::domain::Stream;
use tokio::{
    fs::File,
    io::AsyncWriteExt,
    signal::unix::{Signal, SignalKind, signal},
};

use super::failure::{Exit, Failure};

/// One of our own output streams, written byte for byte and at once, without the line buffer of the standard library.
#[derive(Debug)]
pub(crate) struct Sink(File);

impl Sink {
    /// The stream of ours that goes with one of the program.
    pub(crate) fn of(stream: Stream) -> io::Result<Self> {
        let duplicate = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        }?;
        Ok(Self(File::from_std(duplicate.into())))
    }

    /// Writes all of it; returns when the system has taken it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }
}

/// Whether our stdout and our stderr are the same terminal, pipe or file: only then does their order matter.
pub(crate) fn is_one_place() -> bool {
    let (Ok(out), Ok(err)) = (rustix::fs::fstat(io::stdout()), rustix::fs::fstat(io::stderr())) else { return false };
    (out.st_dev, out.st_ino, out.st_rdev) == (err.st_dev, err.st_ino, err.st_rdev)
}

/// Whether a person watches stderr: only then is progress shown there.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Says something on stderr, where nobody is helped by a failure to do so.
pub(crate) fn note(sentence: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "pod: {}", sentence.as_ref());
}

/// Writes a line to stdout.
pub(crate) fn print_line(line: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", line.as_ref())?;
    Ok(out.flush()?)
}

/// Ctrl-C, and the other ways to ask a program to end.
#[derive(Debug)]
pub(crate) struct Interrupts {
    signals: [(Signal, i32); 3],
}

impl Interrupts {
    /// Begins to listen. From now on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let on = |kind: SignalKind| {
            let number = kind.as_raw_value();
            signal(kind)
                .map(|signal| (signal, number))
                .map_err(|error| Failure::new(format!("signals cannot be listened for: {error}")))
        };
        let signals = [on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?];
        Ok(Self { signals })
    }

    /// The next one, as the exit code that goes with it: 130 for Ctrl-C. Cancellation safe.
    pub(crate) async fn next(&mut self) -> Exit {
        let [(interrupt, a), (terminate, b), (hangup, c)] = &mut self.signals;
        let number = tokio::select! {
            _ = interrupt.recv() => *a,
            _ = terminate.recv() => *b,
            _ = hangup.recv() => *c,
        };
        Exit::signal(number)
    }
}

/// A sign on the terminal that something is going on; gone when dropped.
#[derive(Debug)]
pub(crate) struct Spinner(indicatif::ProgressBar);

/// Shows that something is going on; [`Spinner::say`] says what.
pub(crate) fn spinner() -> Spinner {
    let bar = indicatif::ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    Spinner(bar)
}

impl Spinner {
    /// Says what is going on.
    pub(crate) fn say(&mut self, what: String) {
        self.0.set_message(what);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
