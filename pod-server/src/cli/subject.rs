//! The subject of `run` and `map`: an activity by name, or a directory that becomes one.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use pod_core::{
    Limits,
    domain::{ActivityName, ActivitySettings},
};
use pod_server::client::{Activity, Client, ClientError, Revision};
use sha2::{Digest, Sha256};

use super::{
    console,
    excluded::ExcludedDir,
    failure::Failure,
    pack::{PackedDirectory, pack},
    settings::SubjectOptions,
    suggestions,
    wait_reporter::WaitReporter,
};

/// Between two queries of an activity that is being verified, from the first to the longest.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(2);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A longer installation is reported in a line, where no terminal shows a spinner.
const NOTICE_DELAY: Duration = Duration::from_secs(3);

/// What names an activity that is registered, whatever lies here.
const REGISTERED: &str = "activity:";

/// The program to run.
#[derive(Debug)]
pub(crate) enum Subject {
    /// An activity that the manager has.
    Activity(String),
    /// A directory, packed.
    Directory {
        packed: PackedDirectory,
        settings: ActivitySettings,
        /// As it was given, where that may be the name of an activity as well.
        name: Option<String>,
    },
    /// The name of a file here, which an activity may have as well.
    File(String),
}

impl Subject {
    /// Understands what was given: a directory where it names one, else the name of an activity. With a slash or a dot
    /// in it, what is here counts. Of a directory, `excluded` is not part of the program.
    pub(crate) fn of(given: &str, options: &SubjectOptions, excluded: &[ExcludedDir]) -> Result<Self, Failure> {
        if let Some(name) = given.strip_prefix(REGISTERED) {
            return Self::activity(name, options, |error| format!("{given:?} names no activity: {error}"));
        }
        let path = Path::new(given);
        let is_path = given.contains('/') || given == "." || given == "..";
        let name = (!given.contains(['/', '.']) && ActivityName::new(given).is_ok()).then(|| given.to_owned());
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                let packed = pack(path, options.name.as_ref(), excluded, Limits::default().max_payload)?;
                Ok(Self::Directory { packed, settings: options.settings()?, name })
            }
            Ok(_) => name.map(Self::File).ok_or_else(|| is_a_file(given)),
            Err(error) if is_path => Err(Failure::new(format!(
                "{given} cannot be read ({error}); give a directory that holds main.sh, or the name of an activity"
            ))),
            Err(_) => Self::activity(given, options, |error| format!("{given:?} is no directory, and {error}")),
        }
    }

    fn activity(
        name: &str,
        options: &SubjectOptions,
        refused: impl Fn(&dyn std::error::Error) -> String,
    ) -> Result<Self, Failure> {
        ActivityName::new(name).map_err(|error| Failure::new(refused(&error)))?;
        options.refuse_for_activity(name)?;
        Ok(Self::Activity(name.to_owned()))
    }

    /// A fingerprint of the program and its settings: equal fingerprints mean equal behaviour.
    ///
    /// And which revision that is, of an activity.
    pub(crate) async fn program(&self, client: &Client) -> Result<(String, Option<u32>), Failure> {
        let mut hash = Sha256::new();
        let mut current = None;
        match self {
            Self::Directory { packed, settings, .. } => {
                hash.update(Sha256::digest(&packed.archive));
                hash.update(serde_json::to_string(settings).map_err(std::io::Error::from)?);
            }
            // It is refused in any case.
            Self::File(_) => {}
            Self::Activity(name) => {
                let activity = match client.activity(name).await {
                    Ok(activity) => activity,
                    Err(error) => return Err(suggestions::subject_failure(client, name, error).await),
                };
                // Other content and other settings are another revision; a name that was given anew, another id.
                let (id, revision, more) = (activity.id, activity.revision, &activity.more);
                current = u32::try_from(revision).ok();
                hash.update(format!("{id} {revision} {:?} {:?}", more.get("createdAt"), more.get("sha256")));
            }
        }
        Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), current))
    }

    /// Registers it with the manager where it is not there yet.
    pub(crate) async fn prepare(self, client: &Client) -> Result<PreparedActivity, Failure> {
        match self {
            // Whether it is there, and takes executions, tells the answer to the first one.
            Self::Activity(name) => Ok(PreparedActivity { name, registered: None }),
            Self::File(name) => match registered(client, &name).await? {
                Some(_) => Err(ambiguous(&name)),
                None => Err(is_a_file(&name)),
            },
            Self::Directory { packed: PackedDirectory { name, archive }, settings, name: given } => {
                if let Some(given) = given
                    && registered(client, &given).await?.is_some_and(|activity| !activity.is_of_directory())
                {
                    return Err(ambiguous(&given));
                }
                let registered = client.register_directory(&name, archive, &settings).await?;
                Ok(PreparedActivity { name, registered: Some(registered) })
            }
        }
    }
}

/// The activity of that name, if there is one.
async fn registered(client: &Client, name: &str) -> Result<Option<Activity>, ClientError> {
    match client.activity(name).await {
        Ok(activity) => Ok(Some(activity)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn ambiguous(name: &str) -> Failure {
    Failure::new(format!(
        "{name} is both a path here and an activity of the manager that was not made of a directory; give ./{name} for \
         what is here, or {REGISTERED}{name} for the activity"
    ))
}

fn is_a_file(given: &str) -> Failure {
    Failure::new(format!("{given} is a file; give the directory that holds it, with the program to run as main.sh"))
}

/// The program as the manager knows it.
#[derive(Debug)]
pub(crate) struct PreparedActivity {
    /// The name of the activity.
    pub(crate) name: String,
    /// The revision that was registered for it, where it was a directory.
    registered: Option<Revision>,
}

impl PreparedActivity {
    /// The revision to run; none for the current one.
    pub(crate) fn revision(&self) -> Option<u32> {
        self.registered.as_ref().map(|registered| registered.revision)
    }

    /// Waits until it can be run. Executions are submitted before: when nobody is left who waits for one, the manager
    /// withdraws what it installs.
    pub(crate) async fn installed(&mut self, client: &Client) -> Result<(), Failure> {
        match self.registered.take() {
            Some(revision) => installed(client, revision).await,
            None => Ok(()),
        }
    }
}

/// Waits until a revision can be run, or was rejected.
async fn installed(client: &Client, mut revision: Revision) -> Result<(), Failure> {
    let name = revision.activity.clone();
    let mut pause = MIN_POLL_INTERVAL;
    let mut progress = None;
    let (since, mut waiting) = (Instant::now(), WaitReporter::default());
    let mut failed_tries = 0;
    loop {
        match revision.status.as_str() {
            "approved" => return Ok(()),
            "verifying" => {}
            _ => {
                let error = revision.error_description.as_deref().unwrap_or("it is being removed");
                return Err(Failure::new(format!("{name} cannot be installed: {error}")));
            }
        }
        let failed = revision.failed_installation();
        // A failure is reported below.
        let is_reported = failed.is_some();
        if let Some(failed) = failed.filter(|failed| failed.tries > failed_tries) {
            failed_tries = failed.tries;
            console::note(format!("{name} could not be installed and is tried again: {}", failed.error));
        }
        if pause == MAX_POLL_INTERVAL && console::is_watched() {
            let what = match revision.waits_for.last() {
                Some(reason) => format!("installing {name}: {reason}"),
                None => format!("installing {name}"),
            };
            progress.get_or_insert_with(console::spinner).say(what);
        }
        if !console::is_watched() && since.elapsed() > NOTICE_DELAY && !is_reported {
            let reason = revision.waits_for.last().map_or("it is under way.", String::as_str);
            waiting.report(reason, || format!("installing {name}: {reason}"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_POLL_INTERVAL);
        revision = client.revision(&name, revision.revision).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_counts_where_there_is_one() {
        let none = SubjectOptions::default();
        let temporary = tempfile::tempdir().expect("a directory");
        let directory = temporary.path().join("words");
        std::fs::create_dir(&directory).expect("made");
        std::fs::write(directory.join("main.sh"), "echo\n").expect("written");
        let subject = Subject::of(directory.to_str().expect("text"), &none, &[]).expect("a subject");
        assert!(matches!(subject, Subject::Directory { packed, name: None, .. } if packed.name == "words"));
        for given in ["words", "activity:words"] {
            let subject = Subject::of(given, &none, &[]).expect("a subject");
            assert!(matches!(subject, Subject::Activity(name) if name == "words"), "{given}");
        }
    }

    #[test]
    fn what_can_be_neither_gets_a_sentence() {
        for (given, expected) in [
            ("./absent", "cannot be read"),
            ("/etc/passwd", "is a file"),
            ("no such thing", "is no directory"),
            ("", "is no directory"),
            ("activity:", "names no activity"),
            ("activity:a b", "names no activity"),
        ] {
            let message = Subject::of(given, &SubjectOptions::default(), &[]).expect_err(given).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
