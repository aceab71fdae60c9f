//! Activities: a name, the script that installs it, and the revisions of that script.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    ids::{ActivityId, RevisionNo, WorkerId},
    time::{Millis, Timestamp},
    word::words,
};

/// The name of an activity or policy: 1 to 100 characters, letters, digits, `.`, `_`, `-`,
/// not starting with `.` or `-`. Names never become paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActivityName(Arc<str>);

/// Why a name was refused, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name {0:?} is not allowed: use 1 to 100 letters, digits, '.', '_' or '-', and do not start with '.' or '-'"
)]
pub struct InvalidName(pub String);

impl ActivityName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        let count = name.chars().count();
        if count == 0 || count > 100 || name.starts_with(['.', '-']) || !name.chars().all(allowed) {
            let shown: String = name.chars().take(120).collect();
            return Err(InvalidName(shown));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActivityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ActivityName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<String> for ActivityName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl From<ActivityName> for String {
    fn from(name: ActivityName) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// An activity as users see it: derived from its revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its identity; a deleted and recreated name is another activity.
    pub id: ActivityId,
    /// Its unique name.
    pub name: ActivityName,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// Where it stands.
    pub status: ActivityStatus,
    /// The current revision, which executions run that name no other: the newest approved one, or the newest when none
    /// is. Those that were registered for runs of their own alone are never it.
    pub revision: RevisionNo,
    /// The newest revision that may become current; differs from `revision` while it is verified, or when it was
    /// rejected.
    pub latest: RevisionNo,
    /// Where the script of `revision` came from.
    pub source: ScriptSource,
    /// What applies to executions of `revision`.
    pub settings: ActivitySettings,
    /// Why the newest revision was rejected.
    pub error: Option<Arc<str>>,
    /// The sha256 of the pinned script or archive, in hexadecimal, once it was fetched.
    pub sha256: Option<Arc<str>>,
}

/// Where an activity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ActivityStatus {
    /// Its first revision is being installed on one worker.
    Verifying,
    /// It takes executions, and they run.
    Approved,
    /// No revision of it could be installed.
    Rejected,
    /// It is being removed from the workers; then it is gone.
    Uninstalling,
}

words! { ActivityStatus, "status of an activity": Verifying = "verifying", Approved = "approved", Rejected = "rejected", Uninstalling = "uninstalling" }

/// One version of an activity's script and settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The activity.
    pub activity: ActivityId,
    /// Which revision of it.
    pub no: RevisionNo,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Where its script comes from.
    pub source: ScriptSource,
    /// What applies to its executions.
    pub settings: ActivitySettings,
    /// Where it stands.
    pub status: RevisionStatus,
    /// Why it was rejected.
    pub error: Option<Arc<str>>,
    /// The sha256 of the pinned payload in hexadecimal; absent until a URL was fetched.
    pub sha256: Option<Arc<str>>,
    /// What it was registered for.
    #[serde(default)]
    pub purpose: RevisionPurpose,
}

impl Revision {
    /// Tells it from every other one, also from one that has its number after the store was restored.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{}.{}.{:x}", self.activity, self.no, self.created_at.0)
    }
}

/// What a revision was registered for, and so whether it may become the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum RevisionPurpose {
    /// To be current: what everyone runs from now on.
    #[default]
    Put,
    /// For the executions of whoever registered it, and to be current where the activity was made so from the start.
    Run,
    /// For the executions of whoever registered it alone: the activity was made otherwise, and stays as it is.
    Detached,
}

impl RevisionPurpose {
    /// Whether such a revision may become the current one.
    #[must_use]
    pub const fn may_be_current(self) -> bool {
        !matches!(self, Self::Detached)
    }

    /// Whether it is there for certain executions, so that nothing is lost when the last of them goes.
    #[must_use]
    pub const fn is_for_runs(self) -> bool {
        matches!(self, Self::Run | Self::Detached)
    }
}

/// Which revision an execution is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub enum RevisionChoice {
    /// The one that is current when it is submitted.
    #[default]
    Current,
    /// This one.
    No(RevisionNo),
}

/// Where a revision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevisionStatus {
    /// Being fetched, then installed on one worker.
    Verifying,
    /// Installed once; workers that need it install it.
    Approved,
    /// Could not be fetched or installed.
    Rejected,
    /// Being removed from the workers.
    Uninstalling,
}

words! { RevisionStatus, "status of a revision": Verifying = "verifying", Approved = "approved", Rejected = "rejected", Uninstalling = "uninstalling" }

/// Where an activity's installation script comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScriptSource {
    /// Fetched once by the manager.
    Url(Arc<str>),
    /// Given as text.
    Inline,
    /// A directory, packed as tar.gz: its `install.sh` is run if there is one, and `main.sh` is in it or left by it.
    Directory,
}

/// The bytes that a revision pins: what a worker installs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// An installation script.
    Script(Bytes),
    /// A directory as tar.gz.
    Archive(Bytes),
}

impl Payload {
    /// The bytes, whatever they are.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Script(bytes) | Self::Archive(bytes) => bytes,
        }
    }
}

/// What applies to every execution of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct ActivitySettings {
    /// How long one attempt may run; no limit when absent.
    pub timeout: Option<Millis>,
    /// How often a failed execution is tried again (non-zero exit, or a signal of its own).
    pub retries: u32,
    /// What becomes of an execution whose worker was lost.
    pub on_lost: OnLost,
    /// Added to the environment of its executions and its installation.
    pub env: BTreeMap<String, String>,
    /// At most so many of its executions run at a time.
    pub max_concurrency: Option<u32>,
    /// What has a container of its own; what the manager's backend says when absent.
    pub isolation: Option<Isolation>,
    /// Where its executions run. What was stored before there was a choice is [`Workdir::Shared`].
    #[serde(default = "Workdir::before_there_was_a_choice")]
    pub workdir: Workdir,
    /// What its executions reach over the network.
    pub network: Network,
}

/// What has a container of its own, where workers are containers. Workers are of one kind or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Isolation {
    /// A worker: its executions are processes beside each other.
    #[default]
    Worker,
    /// An execution.
    Execution,
}

words! { Isolation, "isolation": Worker = "worker", Execution = "execution" }

impl Isolation {
    /// What workers of that kind do, as the end of a sentence about one of them.
    pub(crate) const fn does(self) -> &'static str {
        match self {
            Self::Worker => "runs executions beside each other",
            Self::Execution => "runs each execution in a container of its own",
        }
    }
}

/// What an execution reaches over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Network {
    /// What its worker, or its container, does.
    #[default]
    Default,
    /// Nothing. That takes a container of its own. Its installation is not kept from the network.
    None,
}

words! { Network, "network": Default = "default", None = "none" }

/// Where an execution runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Workdir {
    /// In a directory of its own, with links to what the activity installed.
    #[default]
    Private,
    /// In a directory of its own, with a copy of what the activity installed.
    Copy,
    /// In the directory of the installation, which all executions of it share.
    Shared,
}

impl Workdir {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Private, Self::Copy, Self::Shared];

    const fn before_there_was_a_choice() -> Self {
        Self::Shared
    }

    /// The word of `/api/v1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Copy => "copy",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for Workdir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Workdir {
    type Err = UnknownWorkdir;
    fn from_str(word: &str) -> Result<Self, UnknownWorkdir> {
        let found = Self::ALL.into_iter().find(|workdir| workdir.as_str() == word);
        found.ok_or_else(|| UnknownWorkdir(word.chars().take(120).collect()))
    }
}

/// A word that is no [`Workdir`], as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no working directory: give private, copy or shared")]
pub struct UnknownWorkdir(pub String);

/// What becomes of an execution whose worker was lost while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum OnLost {
    /// It goes back to the queue: it may run twice, it concludes once.
    #[default]
    Requeue,
    /// It fails: for what must never run twice.
    Fail,
}

words! { OnLost, "reaction to a loss": Requeue = "requeue", Fail = "fail" }

/// A request to register an activity, or a new revision of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewActivity {
    /// Its name, checked when it is registered.
    pub name: String,
    /// Where its script comes from, and the bytes if they were given.
    pub content: ActivitySource,
    /// What applies to its executions.
    pub settings: ActivitySettings,
}

/// What a new activity is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivitySource {
    /// A script to be fetched.
    Url(String),
    /// An installation script, given as text. It runs with `bash` and leaves `main.sh`.
    Script(Bytes),
    /// A directory as tar.gz that holds `main.sh` or an `install.sh` that leaves it.
    Archive(Bytes),
}

impl NewActivity {
    /// An activity whose installation script is given as text.
    pub fn script(name: impl Into<String>, script: impl Into<String>) -> Self {
        Self::of(name, ActivitySource::Script(Bytes::from(script.into())))
    }

    /// An activity whose installation script is fetched from a URL.
    pub fn url(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self::of(name, ActivitySource::Url(url.into()))
    }

    /// An activity made of a directory, packed as tar.gz.
    pub fn archive(name: impl Into<String>, archive: impl Into<Bytes>) -> Self {
        Self::of(name, ActivitySource::Archive(archive.into()))
    }

    fn of(name: impl Into<String>, content: ActivitySource) -> Self {
        Self { name: name.into(), content, settings: ActivitySettings::default() }
    }

    /// Sets what applies to its executions.
    #[must_use]
    pub fn settings(mut self, settings: ActivitySettings) -> Self {
        self.settings = settings;
        self
    }
}

/// One revision of an activity on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// The worker.
    pub worker: WorkerId,
    /// The activity.
    pub activity: ActivityId,
    /// The revision.
    pub revision: RevisionNo,
    /// Where it stands.
    pub status: InstallationStatus,
    /// Why it failed, as a sentence.
    pub error: Option<Arc<str>>,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// How often it was tried on this worker.
    pub tries: u32,
    /// When a failed one is tried again.
    pub retry_at: Option<Timestamp>,
}

/// Where an installation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InstallationStatus {
    /// Wanted; the worker does another one first, or is not there.
    Pending,
    /// The worker runs the script.
    Installing,
    /// Ready for executions.
    Installed,
    /// The script failed; tried again later if it is still wanted.
    Failed,
    /// The worker deletes it.
    Removing,
}

words! { InstallationStatus, "status of an installation": Pending = "pending", Installing = "installing", Installed = "installed", Failed = "failed", Removing = "removing" }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_working_directory_has_a_word() {
        for workdir in Workdir::ALL {
            assert_eq!(workdir.as_str().parse(), Ok(workdir));
        }
        let error = "Private".parse::<Workdir>().expect_err("not a word for one");
        assert_eq!(error.to_string(), "\"Private\" is no working directory: give private, copy or shared");
    }
}
