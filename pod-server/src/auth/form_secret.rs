//! The random secret of a data directory that form tokens are derived from. It survives a restart of the manager.

use std::{
    io::{Read, Write},
    path::Path,
};

use pod_backends::private;

/// The name of the file in the data directory.
const FILE_NAME: &str = "forms.key";
/// In bytes. A shorter file was not written to its end.
const SECRET_LEN: usize = 32;

/// Reads the secret, or makes it. If it cannot be stored, it lasts as long as this process.
pub(crate) fn form_secret(data_dir: &Path) -> [u8; SECRET_LEN] {
    let file = data_dir.join(FILE_NAME);
    let mut secret = [0; SECRET_LEN];
    if std::fs::File::open(&file).and_then(|mut file| file.read_exact(&mut secret)).is_ok() {
        return secret;
    }
    for part in secret.chunks_mut(16) {
        part.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    let written = private::file()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&file)
        .and_then(|mut file| file.write_all(&secret));
    if let Err(error) = written {
        tracing::warn!(%error, "the secret of forms could not be kept; pages that are open do not outlast a restart");
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_random_and_stays() {
        let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let secret = form_secret(one.path());
        assert_ne!(secret, [0; SECRET_LEN]);
        assert_eq!(form_secret(one.path()), secret);
        assert_ne!(form_secret(other.path()), secret);
        std::fs::write(one.path().join(FILE_NAME), "short").unwrap();
        assert_ne!(form_secret(one.path()), secret);
        assert!(form_secret(&one.path().join("not there")) != form_secret(&one.path().join("not there")));
    }
}
