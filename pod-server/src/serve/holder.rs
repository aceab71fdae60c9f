//! The name under which the manager of a data directory holds the lease of its store.

use std::{fs, io::Write, path::Path};

use pod_backends::private;
use pod_core::store::Holder;
use uuid::Uuid;

const NAME_FILE: &str = "manager-name";
const MAX_NAME_LEN: usize = 100;

/// The holder whose name is kept in a data directory. It is made once, of the host name: a manager that was killed is known
/// by it when it comes back, also in a container, whose host name is another one each time.
pub(super) fn of_directory(data_dir: &Path) -> Holder {
    let file = data_dir.join(NAME_FILE);
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let kept = kept.trim();
    if (1..=MAX_NAME_LEN).contains(&kept.len()) {
        return Holder::new(kept);
    }
    let host = rustix::system::uname().nodename().to_string_lossy().chars().take(60).collect::<String>();
    let name = format!("{host}-{}", &Uuid::new_v4().simple().to_string()[..8]);
    let written = private::file()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&file)
        .and_then(|mut file| file.write_all(name.as_bytes()));
    if let Err(error) = written {
        tracing::warn!(%error, "the name of this manager could not be kept; after a crash it waits until its lease expires");
    }
    Holder::new(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_name_and_each_another_one() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = of_directory(one.path());
        assert_eq!(of_directory(one.path()), name);
        assert_ne!(of_directory(other.path()), name);
        fs::write(other.path().join(NAME_FILE), "\n").unwrap();
        assert!(of_directory(other.path()).name.len() > 8, "what is no name is replaced");
    }
}
