//! Tells the program which commit it is built of: `POD_COMMIT` where that is set, else what git says, in release builds
//! only, so that a commit does not make everything to be built anew while one works.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=POD_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("POD_COMMIT").is_some() || std::env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    if let (Some(commit), Some(log)) =
        (git(&["rev-parse", "--short=12", "HEAD"]), git(&["rev-parse", "--git-path", "logs/HEAD"]))
    {
        println!("cargo::rustc-env=POD_COMMIT={commit}");
        println!("cargo::rerun-if-changed={log}");
    }
}

/// What git says; nothing where there is no git, or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}
