//! A random secret of a data directory, which stays when the manager is started anew.

use std::{
    io::{Read, Write},
    path::Path,
};

use pod_backends::private;

/// The name of the file in the data directory.
const FILE: &str = "forms.key";
/// How long it is; one that is shorter was not written to its end.
const LENGTH: usize = 32;

/// What the tokens of forms are made of. Where it cannot be kept, it is that of this process alone.
pub(crate) fn form_secret(data_dir: &Path) -> [u8; LENGTH] {
    let file = data_dir.join(FILE);
    let mut secret = [0; LENGTH];
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
        assert_ne!(secret, [0; LENGTH]);
        assert_eq!(form_secret(one.path()), secret);
        assert_ne!(form_secret(other.path()), secret);
        std::fs::write(one.path().join(FILE), "short").unwrap();
        assert_ne!(form_secret(one.path()), secret);
        assert!(form_secret(&one.path().join("not there")) != form_secret(&one.path().join("not there")));
    }
}
