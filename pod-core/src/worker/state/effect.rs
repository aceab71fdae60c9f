//! What the shell of a worker has to do.

use crate::{
    domain::{ActivityId, AttemptKey, RevisionNo, Stream},
    executor::{InstallRequest, Sink, StartRequest, StopMode},
    worker::identity::WorkerExit,
};

/// Something that the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start an execution. Its events follow as [`Input::Run`](super::Input::Run), or [`Input::StartFailed`](super::Input::StartFailed) does.
    Start(StartRequest),
    /// Stop an execution, also one that is still being started. Its end follows.
    Stop(AttemptKey, StopMode),
    /// Ask for an execution back that may not have begun; its end follows, or it goes on.
    Recall(AttemptKey),
    /// Have the executor write a stream itself. [`RunEvent::Holds`](crate::executor::RunEvent::Holds) follows, if it can.
    WriteTo(AttemptKey, Stream, Sink),
    /// Install a revision; [`Input::InstallEnded`](super::Input::InstallEnded) follows. Never more than [`INSTALLATIONS_AT_A_TIME`], and none of them
    /// twice.
    ///
    /// [`INSTALLATIONS_AT_A_TIME`]: crate::executor::INSTALLATIONS_AT_A_TIME
    Install(InstallRequest),
    /// End an installation under way; [`Input::InstallAborted`](super::Input::InstallAborted) or [`Input::InstallEnded`](super::Input::InstallEnded) follows.
    AbortInstall(ActivityId, RevisionNo),
    /// Remove an installation; [`Input::Removed`](super::Input::Removed) follows.
    Remove(ActivityId, RevisionNo),
    /// Give the link up and dial again; no [`Input::Disconnected`](super::Input::Disconnected) need follow.
    Disconnect(String),
    /// Kill whatever runs, and exit. Nothing is asked after this.
    Exit(WorkerExit),
}
