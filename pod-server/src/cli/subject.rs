//! What `run` and `map` run: an activity by its name, or a directory that becomes one.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use pod_core::{
    Limits,
    domain::{ActivityName, Settings},
};
use pod_server::client::{Activity, Client};

use super::{
    console,
    failure::Failure,
    pack::{Packed, pack},
    patience::persist,
    settings::SubjectOptions,
    waiting::Waiting,
};

/// Between two looks at an activity that is being verified: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// An installation may take so long before a line is written about it where nobody watches.
const QUIET: Duration = Duration::from_secs(3);

/// What is to be run.
#[derive(Debug)]
pub(crate) enum Subject {
    /// An activity that the manager has.
    Activity(String),
    /// A directory, packed.
    Directory(Packed, Settings),
}

impl Subject {
    /// Understands what was given: a directory where it names one, else the name of an activity.
    pub(crate) fn of(given: &str, options: &SubjectOptions) -> Result<Self, Failure> {
        let path = Path::new(given);
        let looks_like_a_path = given.contains('/') || given == "." || given == "..";
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                Ok(Self::Directory(pack(path, Limits::default().max_payload)?, options.settings()?))
            }
            Ok(_) if looks_like_a_path => Err(Failure::new(format!(
                "{given} is a file; give the directory that holds it, with the program to run as main.sh"
            ))),
            Err(error) if looks_like_a_path => Err(Failure::new(format!(
                "{given} cannot be read ({error}); give a directory that holds main.sh, or the name of an activity"
            ))),
            _ => match ActivityName::new(given) {
                Ok(_) => {
                    options.refuse_for_activity(given)?;
                    Ok(Self::Activity(given.to_owned()))
                }
                Err(error) => Err(Failure::new(format!("{given:?} is no directory, and {error}"))),
            },
        }
    }

    /// Makes sure that the manager has it and can run it; returns its name.
    pub(crate) async fn prepare(self, client: &Client) -> Result<String, Failure> {
        match self {
            // Whether it is there, and takes executions, tells the answer to the first one.
            Self::Activity(name) => Ok(name),
            Self::Directory(Packed { name, archive }, settings) => {
                let put = |client: Client| {
                    let (name, archive, settings) = (name.clone(), archive.clone(), settings.clone());
                    async move { client.put_directory(&name, archive, &settings).await }
                };
                let activity = persist(client, put).await?;
                installed(client, activity).await?;
                Ok(name)
            }
        }
    }
}

/// Waits until the newest revision of an activity is the one that runs, or was rejected.
async fn installed(client: &Client, mut activity: Activity) -> Result<(), Failure> {
    let wanted = activity.latest_revision;
    let mut pause = FIRST_PAUSE;
    let mut progress = None;
    let (since, mut waiting) = (Instant::now(), Waiting::default());
    let mut failed_tries = 0;
    loop {
        if activity.status == "uninstalling" {
            let name = &activity.name;
            return Err(Failure::new(format!("the activity {name} is being deleted; run it again when it is gone")));
        }
        if let Some(error) = &activity.error_description {
            return Err(Failure::new(format!("{} cannot be installed: {error}", activity.name)));
        }
        if activity.status == "approved" && activity.revision >= wanted {
            return Ok(());
        }
        if let Some(failed) = activity.failed_installation(wanted).filter(|failed| failed.tries > failed_tries) {
            failed_tries = failed.tries;
            console::note(format!("{} could not be installed and is tried again: {}", activity.name, failed.error));
        }
        let name = &activity.name;
        if pause == LONGEST_PAUSE && console::is_watched() {
            let what = match activity.waits_for.last() {
                Some(reason) => format!("installing {name}: {reason}"),
                None => format!("installing {name}"),
            };
            progress.get_or_insert_with(console::spinner).say(what);
        }
        // A failure was told above.
        let is_told = activity.failed_installation(wanted).is_some();
        if !console::is_watched() && since.elapsed() > QUIET && !is_told {
            let reason = activity.waits_for.last().map_or("it is under way.", String::as_str);
            waiting.tell(reason, || format!("installing {name}: {reason}"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let name = activity.name.as_str();
        activity = persist(client, |client| async move { client.activity(name).await }).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_wins_over_an_activity_of_that_name() {
        let none = SubjectOptions::default();
        let temporary = tempfile::tempdir().expect("a directory");
        let directory = temporary.path().join("words");
        std::fs::create_dir(&directory).expect("made");
        std::fs::write(directory.join("main.sh"), "echo\n").expect("written");
        let subject = Subject::of(directory.to_str().expect("text"), &none).expect("a subject");
        assert!(matches!(subject, Subject::Directory(packed, _) if packed.name == "words"));
        assert!(matches!(Subject::of("words", &none).expect("a subject"), Subject::Activity(name) if name == "words"));
    }

    #[test]
    fn what_can_be_neither_gets_a_sentence() {
        for (given, expected) in [
            ("./absent", "cannot be read"),
            ("/etc/passwd", "is a file"),
            ("no such thing", "is no directory"),
            ("", "is no directory"),
        ] {
            let message = Subject::of(given, &SubjectOptions::default()).expect_err(given).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
