//! What workers report of installations.

use super::super::{
    decision::{Decision, Effect},
    installation_backoff::retry_after,
    state::State,
};
use crate::{
    domain::{ActivityId, EventDetail, EventKind, InstallationStatus, RevisionNo, Transitions, WorkerId},
    link::InstallOutcome,
    store::Change,
};

impl State {
    pub(super) fn install_ended(
        &mut self,
        worker: WorkerId,
        activity: ActivityId,
        revision: RevisionNo,
        outcome: InstallOutcome,
        out: &mut Decision,
    ) {
        let (now, wall) = (self.now, self.wall());
        let Some(state) = self.workers.get_mut(&worker) else { return };
        let Some(installation) = state.installations.get_mut(&(activity, revision)) else {
            // Not wanted any more, or never asked for.
            out.effects.push(Effect::Remove(worker, activity, revision));
            return;
        };
        if installation.status != InstallationStatus::Installing {
            return;
        }
        installation.changed_at = wall;
        let failure = match outcome {
            InstallOutcome::Installed => {
                installation.status.move_to(InstallationStatus::Installed);
                (installation.error, installation.retry_at) = (None, None);
                None
            }
            InstallOutcome::Failed { message, permanent } => {
                installation.status.move_to(InstallationStatus::Failed);
                installation.tries += 1;
                installation.error = Some(message.as_str().into());
                let delay = retry_after(installation.tries);
                installation.retry_at = Some(wall + delay);
                state.retries.insert((activity, revision), now + delay);
                Some((message, permanent))
            }
        };
        out.change(Change::PutInstallation(installation.clone()));
        let event = out.event(wall, EventKind::InstallationChanged);
        (event.activity, event.worker) = (Some(activity), Some(worker));
        let failed = |(error, _): &(String, bool)| EventDetail::InstallationFailed { error: error.as_str().into() };
        event.detail = failure.as_ref().map(failed);
        match failure {
            None => self.approve(activity, revision, out),
            Some((message, permanent)) if permanent || self.tries(activity, revision) >= VERIFYING_TRIES => {
                self.reject(activity, revision, message.into(), out);
            }
            // It was not the script's fault: verified again, here after a while or elsewhere at once.
            Some(_) => {}
        }
    }

    /// How often the installation of a revision has failed, on all workers that there are.
    fn tries(&self, activity: ActivityId, revision: RevisionNo) -> u32 {
        let installations = self.workers.values().filter_map(|state| state.installations.get(&(activity, revision)));
        installations.map(|installation| installation.tries).sum()
    }

    pub(super) fn removed(&mut self, worker: WorkerId, activity: ActivityId, revision: RevisionNo, out: &mut Decision) {
        let wall = self.wall();
        let Some(state) = self.workers.get_mut(&worker) else { return };
        let Some(installation) = state.installations.get_mut(&(activity, revision)) else { return };
        match installation.status {
            InstallationStatus::Removing => {
                state.installations.remove(&(activity, revision));
                out.change(Change::DeleteInstallation { worker, activity, revision });
            }
            // Somebody has damaged it: it is made again where it is needed.
            InstallationStatus::Installed => {
                installation.status.move_to(InstallationStatus::Pending);
                installation.changed_at = wall;
                out.change(Change::PutInstallation(installation.clone()));
                let event = out.event(wall, EventKind::InstallationChanged);
                (event.activity, event.worker) = (Some(activity), Some(worker));
                event.detail = Some(EventDetail::InstallationDamaged);
            }
            _ => {}
        }
    }
}

/// A revision that could not be installed so often is rejected, whatever the reason.
const VERIFYING_TRIES: u32 = 3;
