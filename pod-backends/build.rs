//! Compiles the spawner into a program of its own that the library carries along: see `spawner/main.rs`.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCE: &str = "spawner/main.rs";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=spawner");
    println!("cargo::rerun-if-changed=build.rs");
    let wanted = env::var_os("CARGO_FEATURE_LOCAL").is_some() && env::var("CARGO_CFG_TARGET_OS")? == "linux";
    if !wanted {
        return Ok(());
    }
    let program = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("pod-spawner");
    // Static, so that it runs in any container; where no static C library is installed, it still serves this machine.
    if let Err(reason) = compile(&program, "+crt-static") {
        println!(
            "cargo::warning=the spawner is not linked statically and will not run in foreign containers: {reason}"
        );
        compile(&program, "-crt-static")?;
    }
    Ok(())
}

fn compile(program: &Path, linkage: &str) -> Result<(), Box<dyn Error>> {
    let mut rustc = Command::new(env::var_os("RUSTC").ok_or("cargo sets RUSTC")?);
    rustc.args([SOURCE, "--crate-name", "pod_spawner", "--crate-type", "bin", "--edition", "2024"]);
    rustc.args(["--target", &env::var("TARGET")?]);
    rustc.args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "strip=symbols", "-C", "lto=thin"]);
    rustc.args(["-C", &format!("target-feature={linkage}")]);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        rustc.arg("-C").arg([std::ffi::OsStr::new("linker="), &linker].join(std::ffi::OsStr::new("")));
    }
    let output = rustc.arg("-o").arg(program).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
    Err(format!("{}: {}", output.status, if errors.is_empty() { said.as_str() } else { errors[0] }).into())
}
