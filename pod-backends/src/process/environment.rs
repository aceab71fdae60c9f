//! The environment of programs: a small one, documented for users, and nothing of the worker's own.

use std::{
    collections::BTreeMap,
    ffi::{CString, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::run_as::RunAs;

/// Every program of a worker's directory has this variable, by which a later worker of the directory finds them.
pub(super) const MARK: &str = "POD_WORKER_MARK";

/// Where a program may leave what is temporary, and what is its result.
const TMPDIR: &str = "TMPDIR";
const RESULTS: &str = "POD_RESULTS";

const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What all programs have in common.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    common: BTreeMap<String, OsString>,
}

/// What programs have of the environment of the worker's own process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inherit {
    /// `HOME`, `PATH` and `LANG`.
    Basics,
    /// All of it: the process is in a container of its own, whose environment was made for the programs.
    Everything,
}

impl Environment {
    /// `HOME`, `PATH` and `LANG` are those of the worker, or what is usual; the home is that of whoever runs programs.
    pub(super) fn of_this_process(mark: &str, inherit: Inherit, run_as: Option<&RunAs>) -> Self {
        let own = |name, usual: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).unwrap_or_else(|| usual.into())
        };
        let common = [
            ("HOME", run_as.map_or_else(|| own("HOME", "/"), |run_as| run_as.home().into())),
            ("PATH", own("PATH", USUAL_PATH)),
            ("LANG", own("LANG", "C.UTF-8")),
            (MARK, mark.into()),
        ];
        let inherited = std::env::vars_os().filter(|_| inherit == Inherit::Everything);
        let inherited = inherited.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let common = common.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self { common: inherited.chain(common).collect() }
    }

    /// The environment of one program, as `NAME=value`: what is common, then what the activity adds, then `own`, the
    /// later ones replacing the earlier. A sentence when a name or a value is impossible.
    pub(super) fn with(
        &self,
        activity: &BTreeMap<String, String>,
        own: &[(&str, OsString)],
    ) -> Result<Vec<CString>, String> {
        if let Some(name) = activity.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(format!(
                "the environment variable {name:?} of the activity has an impossible name: it must not be empty, nor hold '=' or NUL"
            ));
        }
        let common = self.common.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let added = activity.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let own = own.iter().map(|(name, value)| (*name, value.as_bytes()));
        let mark = self.common.get_key_value(MARK).map(|(name, value)| (name.as_str(), value.as_bytes()));
        let all: BTreeMap<&str, &[u8]> = common.chain(added).chain(own).chain(mark).collect();
        all.into_iter()
            .map(|(name, value)| {
                CString::new([name.as_bytes(), b"=", value].concat()).map_err(|_| {
                    format!("the environment variable {name} of the activity holds a NUL character, which none can")
                })
            })
            .collect()
    }

    /// As [`Environment::with`], for a program whose place in the file system is yet to be found: the slot adds where it is,
    /// but keeps the directory for temporary files that the activity chose.
    pub(super) fn with_own_place(
        &self,
        activity: &BTreeMap<String, String>,
        own: &[(&str, OsString)],
    ) -> Result<Vec<CString>, String> {
        let mut env = self.with(activity, own)?;
        let is = |variable: &CString, name: &str| {
            variable.to_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        };
        let keeps_tmpdir = activity.contains_key(TMPDIR);
        env.retain(|variable| !is(variable, RESULTS) && (keeps_tmpdir || !is(variable, TMPDIR)));
        Ok(env)
    }

    /// Where a program is, by the `PATH` that programs have.
    pub(super) fn find(&self, program: &str) -> Option<PathBuf> {
        let path = self.common.get("PATH")?;
        std::env::split_paths(path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(program))
            .find(|path| path.is_file())
    }
}

/// A path for the system; a sentence when it holds a NUL, which none can.
pub(super) fn c_path(path: &Path) -> Result<CString, String> {
    CString::new(path.as_os_str().to_owned().into_vec()).map_err(|_| format!("{path:?} holds a NUL character"))
}
