//! The content of `logs`: the set-up log, the effective configuration, the tail of the manager's own log.

use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use pod_backends::private;

/// The name of the manager's log in the data directory.
pub(super) const SERVER_LOG: &str = "server.log";
/// The name of the log of the manager's last start.
const SETUP_LOG: &str = "setup.log";

/// Lines that `logs` shows at most.
const MAX_LINES: usize = 500;
/// Bytes at the end of the log that are searched for these lines.
const MAX_TAIL_BYTES: u64 = 256 << 10;

/// The manager's logs.
#[derive(Debug)]
pub struct ManagerLogs {
    data_dir: PathBuf,
    setup: Mutex<Vec<String>>,
    properties: Vec<String>,
}

/// How the log is formatted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    /// What it is called.
    pub filename: String,
    /// Its last lines.
    pub lines: Vec<String>,
}

impl ManagerLogs {
    /// The logs of a manager in this data directory with this effective configuration.
    #[must_use]
    pub fn new(data_dir: &Path, properties: Vec<String>) -> Self {
        Self { data_dir: data_dir.to_owned(), setup: Mutex::default(), properties }
    }

    /// Notes a step of the start.
    pub fn note(&self, step: &str) {
        tracing::info!("{step}");
        let line = format!("{} {step}", jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"));
        let mut setup = self.setup.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        setup.push(line);
        let text = setup.join("\n") + "\n";
        // Kept for people; the manager starts without it, for example on a full disk.
        if let Err(error) = self.write_setup(&text) {
            tracing::warn!(%error, "the set-up log could not be written");
        }
    }

    fn write_setup(&self, text: &str) -> std::io::Result<()> {
        let path = self.data_dir.join(SETUP_LOG);
        private::file().create(true).truncate(true).write(true).open(&path)?.write_all(text.as_bytes())?;
        private::close(&path)
    }

    /// The steps of the last start.
    #[must_use]
    pub fn setup(&self) -> LogView {
        let lines = self.setup.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        LogView { filename: SETUP_LOG.to_owned(), lines }
    }

    /// The effective configuration, secrets masked.
    #[must_use]
    pub fn properties(&self) -> LogView {
        LogView { filename: "properties".to_owned(), lines: self.properties.clone() }
    }

    /// The last lines of the manager's own log.
    pub async fn server(&self) -> LogView {
        let path = self.data_dir.join(SERVER_LOG);
        let lines = tokio::task::spawn_blocking(move || tail(&path)).await;
        LogView { filename: SERVER_LOG.to_owned(), lines: lines.ok().and_then(Result::ok).unwrap_or_default() }
    }
}

fn tail(path: &Path) -> std::io::Result<Vec<String>> {
    let mut file = std::fs::File::open(path)?;
    let len = file.metadata()?.len();
    let skipped = len.saturating_sub(MAX_TAIL_BYTES);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(MAX_TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may have lost its beginning.
    let lines: Vec<&str> = text.lines().skip(usize::from(skipped > 0)).collect();
    Ok(lines[lines.len().saturating_sub(MAX_LINES)..].iter().map(|line| (*line).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_shown() {
        let directory = tempfile::tempdir().unwrap();
        let logs = ManagerLogs::new(directory.path(), vec!["slots = 1".to_owned()]);
        assert!(logs.server().await.lines.is_empty());
        let lines: Vec<String> = (0..60_000).map(|number| format!("line {number}")).collect();
        std::fs::write(directory.path().join(SERVER_LOG), lines.join("\n")).unwrap();
        assert_eq!(logs.server().await.lines, lines[60_000 - MAX_LINES..]);
        logs.note("data directory locked");
        logs.note("listening");
        assert_eq!(logs.setup().lines.len(), 2);
        let written = std::fs::read_to_string(directory.path().join(SETUP_LOG)).unwrap();
        assert_eq!(written.lines().collect::<Vec<_>>(), logs.setup().lines);
    }
}
