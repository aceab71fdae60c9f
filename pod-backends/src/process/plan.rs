//! What to run, ready for a slot.

use std::{
    ffi::{CStr, CString, OsString},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use pod_core::{
    domain::{AttemptKey, Millis, Workdir},
    executor::StartRequest,
};

use super::{
    entry::Entry,
    environment::c_path,
    failure,
    installed::{Damage, Installation, Installations},
    layout::{Installed, Key, Layout},
    shared::Shared,
    wire::{ARGUMENT_LIMIT, End, ORDER_LIMIT, Order, Place, Start},
};

/// What to run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) program: CString,
    pub(super) args: Vec<CString>,
    pub(super) env: Vec<CString>,
    /// Where it runs, or what the directory is made of that it runs in.
    pub(super) dir: PathBuf,
    pub(super) place: Place,
    pub(super) timeout: Option<Millis>,
    pub(super) grace: Millis,
    pub(super) input: Option<InputFile>,
    /// The installation that it is of, where it is an execution.
    pub(super) runs: Option<Runs>,
    /// Makes a sentence of the system's error when it cannot be started.
    pub(super) explain: fn(i32, &Path) -> String,
}

impl Plan {
    /// What is run for an execution.
    pub(super) fn of(
        shared: &Shared,
        request: StartRequest,
        installation: Arc<Installation<Installed>>,
    ) -> Result<Plan, String> {
        let key = (request.activity, request.revision);
        let mut own: Vec<(&str, OsString)> = vec![
            ("POD_EXECUTION_ID", request.key.execution.to_string().into()),
            ("POD_ATTEMPT", request.key.attempt.to_string().into()),
            ("POD_ACTIVITY", (*request.activity_name).into()),
            ("POD_REVISION", request.revision.to_string().into()),
        ];
        let (program, mut args) = match installation.what.entry {
            Entry::Program => (c"./main.sh", vec![c"./main.sh".to_owned()]),
            Entry::Shell => (c"/bin/sh", vec![c"sh".to_owned(), c"./main.sh".to_owned()]),
        };
        let place = match request.workdir {
            Workdir::Private => Place::Private,
            Workdir::Copy => Place::Copy,
            Workdir::Shared => Place::Shared,
        };
        let mut file = None;
        if let Some(input) = &request.input {
            if input.len() < ARGUMENT_LIMIT {
                let nul = |_| "the input holds a NUL character, which a program's argument cannot".to_owned();
                args.push(CString::new(input.as_bytes()).map_err(nul)?);
            } else {
                let written = InputFile::write(&shared.layout, request.key, input)
                    .map_err(|error| format!("the input could not be written to the worker's disk: {error}"))?;
                own.push(("POD_INPUT_FILE", written.path.clone().into()));
                file = Some(written);
            }
        }
        Ok(Self {
            program: program.to_owned(),
            args,
            env: match place {
                Place::Shared => shared.environment.with(&request.env, &own)?,
                Place::Private | Place::Copy => shared.environment.with_own_place(&request.env, &own)?,
            },
            dir: shared.layout.activity(key),
            place,
            timeout: request.timeout,
            grace: request.grace,
            input: file,
            runs: Some(Runs { key, main: shared.layout.main(key), installation, all: Arc::clone(&shared.installed) }),
            explain: failure::not_started,
        })
    }

    /// The order for a slot, whose number is still missing.
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        let dir = c_path(&self.dir)?;
        let main = self.runs.as_ref().map(|runs| c_path(&runs.main)).transpose()?;
        let witness = main.as_deref().zip(self.runs.as_ref().map(|runs| runs.installation.what.main));
        let mut order = Vec::with_capacity(1024);
        Order::Start(Start {
            run: 0,
            timeout_ms: self.timeout.map(|timeout| timeout.0),
            grace_ms: self.grace.0,
            place: self.place,
            witness,
            program: &self.program,
            dir: &dir,
            args: self.args.iter().map(CString::as_c_str).collect::<Vec<&CStr>>(),
            env: self.env.iter().map(CString::as_c_str).collect(),
        })
        .encode(&mut order);
        if order.len() > ORDER_LIMIT {
            return Err(format!(
                "the input and the environment have {} bytes together and at most {ORDER_LIMIT} are possible; \
                 make the activity's environment smaller",
                order.len()
            ));
        }
        Ok(order)
    }
}

/// The installation that a run is of.
#[derive(Debug)]
pub(super) struct Runs {
    key: Key,
    main: PathBuf,
    installation: Arc<Installation<Installed>>,
    all: Arc<Installations<Installed>>,
}

impl Runs {
    /// The program was started.
    pub(super) fn begun(&self) {
        self.all.serves(self.key, &self.installation);
    }

    /// Whether it was not started because the installation is damaged. Where something has run in it before, that it
    /// cannot be started any more is taken for damage, too: of what its first line names, for example.
    pub(super) fn damage(&self, end: End) -> Option<Damage> {
        let damaged = match end {
            End::Damaged => true,
            End::NotStarted(errno) => self.installation.has_served() && failure::may_be_damage(errno),
            _ => false,
        };
        damaged.then(|| self.all.damaged(self.key, &self.installation))
    }

    /// Why it is not made again a second time.
    pub(super) fn lasting(&self) -> String {
        format!(
            "{} was changed or taken away again after the activity had been installed anew; find out what on the worker's \
             machine does that",
            self.main.display()
        )
    }
}

/// The file of an input that is too long for an argument; deleted when dropped.
#[derive(Debug)]
pub(super) struct InputFile {
    path: PathBuf,
}

impl InputFile {
    fn write(layout: &Layout, key: AttemptKey, input: &str) -> io::Result<Self> {
        let file = Self { path: layout.input(key) };
        fs::write(&file.path, input)?;
        layout.give(&file.path)?;
        Ok(file)
    }
}

impl Drop for InputFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
