//! The manager's own log: standard error, and a rotated file in the data directory.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use pod_backends::private;
use tracing_subscriber::{EnvFilter, Layer, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use super::logs::SERVER_LOG;

/// How large the file grows before it becomes `server.log.1`, replacing that.
const MAX_FILE_SIZE: u64 = 8 << 20;

/// Sends the log of this process to standard error (warnings and errors) and to the file (more). `POD_LOG` sets another
/// filter for both, for example `debug` or `pod_core=trace`. For the binary only: a library installs no such thing.
pub fn install(data_dir: &Path) -> io::Result<()> {
    let file = RotatingFile::open(&data_dir.join(SERVER_LOG), MAX_FILE_SIZE)?;
    let filter = |default: &str| {
        EnvFilter::builder()
            .parse(std::env::var("POD_LOG").ok().filter(|filter| !filter.is_empty()).as_deref().unwrap_or(default))
            .unwrap_or_else(|_| EnvFilter::new(default))
    };
    let to_file = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(file).with_filter(filter("info"));
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none())
        .with_writer(io::stderr)
        .with_filter(filter("warn"));
    // An embedder's subscriber, where there is one, stays.
    let _ = tracing_subscriber::registry().with(to_file).with(to_stderr).try_init();
    Ok(())
}

/// A file that is moved aside when it has grown too large.
#[derive(Clone, Debug)]
struct RotatingFile(Arc<Mutex<RotatingFileState>>);

#[derive(Debug)]
struct RotatingFileState {
    path: PathBuf,
    file: File,
    written: u64,
    max: u64,
}

impl RotatingFile {
    fn open(path: &Path, max: u64) -> io::Result<Self> {
        let file = private::file().create(true).append(true).open(path)?;
        private::close(path)?;
        let written = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(RotatingFileState { path: path.to_owned(), file, written, max }))))
    }
}

impl Write for RotatingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if open.written > 0 && open.written + bytes.len() as u64 > open.max {
            let mut aside = open.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&open.path, aside)?;
            open.file = private::file().create(true).append(true).open(&open.path)?;
            open.written = 0;
        }
        let count = open.file.write(bytes)?;
        open.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for RotatingFile {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_bounded_and_the_last_lines_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SERVER_LOG);
        let mut file = RotatingFile::open(&path, 100).unwrap();
        for number in 0..1000 {
            writeln!(file, "{number}").unwrap();
        }
        let now = std::fs::read_to_string(&path).unwrap();
        let before = std::fs::read_to_string(directory.path().join("server.log.1")).unwrap();
        assert!(now.len() <= 100 && before.len() <= 100);
        assert!(format!("{before}{now}").ends_with("997\n998\n999\n"));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
