//! The program that is measured with, the same for the floor and for POD.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

/// Says hello to its argument.
pub(crate) const HELLO: &str = "#!/bin/sh\necho \"hello $1\"\n";

/// Writes an executable script.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// An installation script that leaves this `main.sh`.
pub(crate) fn installing(main: &str) -> String {
    format!("cat > main.sh <<'END_OF_MAIN'\n{main}END_OF_MAIN\n")
}
