//! Our own stdout and stderr, terminal or not, and the signals that interrupt a command.

use std::{
    future::poll_fn,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    task::Poll,
};

use pod_core::domain::Stream;
use tokio::{
    fs::File,
    io::AsyncWriteExt,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    failure::{Exit, Failure},
    printable,
};

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

/// Writes a line to stderr; a failure to do so is ignored.
pub(crate) fn note(sentence: impl AsRef<str>) {
    // In one write, so that lines of several processes do not mix.
    let _ = io::stderr().write_all(format!("pod: {}\n", printable::sentence(sentence.as_ref())).as_bytes());
}

/// Writes a sentence to stdout.
pub(crate) fn print_line(line: impl AsRef<str>) -> Result<(), Failure> {
    print(&printable::sentence(line.as_ref()))
}

/// Writes a JSON document to stdout.
pub(crate) fn print_json(document: impl AsRef<str>) -> Result<(), Failure> {
    print(&printable::json(document.as_ref()))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Ctrl-C, and the other ways to ask a program to end.
#[derive(Debug)]
pub(crate) struct Interrupts {
    signals: Vec<(Signal, i32)>,
}

impl Interrupts {
    /// Begins to listen. From now on the signals no longer end the process by themselves.
    ///
    /// A signal that was ignored when the process began is left alone: whoever started it under `nohup`, or in the
    /// background of a script, wants it to go on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let ignored = ignored_signals();
        let mut signals = Vec::new();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let number = kind.as_raw_value();
            if ignored & (1 << (number - 1)) == 0 {
                let signal =
                    signal(kind).map_err(|error| Failure::new(format!("signals cannot be listened for: {error}")))?;
                signals.push((signal, number));
            }
        }
        Ok(Self { signals })
    }

    /// The next one, as the exit code that goes with it: 130 for Ctrl-C. Cancellation safe.
    pub(crate) async fn next(&mut self) -> Exit {
        let number = poll_fn(|context| {
            let came = self
                .signals
                .iter_mut()
                .find_map(|(signal, number)| signal.poll_recv(context).is_ready().then_some(*number));
            came.map_or(Poll::Pending, Poll::Ready)
        });
        Exit::signal(number.await)
    }
}

/// The signals that this process ignores, a bit each; none where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
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
    /// Shows the current step.
    pub(crate) fn say(&mut self, what: String) {
        self.0.set_message(printable::printable(&what));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
