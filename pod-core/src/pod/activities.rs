//! Activities: registering, removing and looking at them.

use std::{collections::BTreeMap, sync::Arc};

use super::handle::{Pod, Result, ask};
use crate::{
    api::{ActivityView, PodError, Registration, Reply, Request},
    domain::{Activity, ActivityId, NewActivity, Payload, RevisionNo},
    store::InstallLog,
};

impl Pod {
    /// Registers an activity. It is verified on one worker; executions are accepted meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Pod::put_activity`], and [`PodError::ActivityExists`] when the name is taken.
    pub async fn create_activity(&self, new: NewActivity) -> Result<Activity> {
        ask!(self, Request::CreateActivity { new, registration: Registration::Create }, Reply::Registered(view, _) => view.activity)
    }

    /// Registers an activity, or a new revision of one whose content or settings differ from the newest revision;
    /// the old revision serves until the new one is approved. The same content and settings again change nothing.
    ///
    /// # Errors
    ///
    /// [`PodError::InvalidName`]; [`PodError::Invalid`] for content or settings that are not allowed, also an address
    /// that cannot be fetched; [`PodError::BeingRemoved`]; [`PodError::IsolationImpossible`] and
    /// [`PodError::NetworkNeedsIsolation`] where the backend does not make such workers.
    pub async fn put_activity(&self, new: NewActivity) -> Result<Activity> {
        ask!(self, Request::CreateActivity { new, registration: Registration::Put }, Reply::Registered(view, _) => view.activity)
    }

    /// Registers what its own executions are to run: the activity, where the name is free, and else a revision of it.
    /// The same content and settings again are the same revision. Name it in
    /// [`NewExecution::revision`](crate::domain::NewExecution::revision): an activity that was made in another way goes on
    /// being what it is, and where this one becomes current, it may not stay so.
    ///
    /// What is registered so and never run is forgotten after an hour; and when all its executions are terminated while
    /// it is still being installed, the installation is withdrawn.
    ///
    /// # Errors
    ///
    /// As [`Pod::put_activity`].
    pub async fn register_for_runs(&self, new: NewActivity) -> Result<(ActivityView, RevisionNo)> {
        self.register(new, Registration::Run).await
    }

    /// Registers an activity or a revision of it, for what is said: any of the above.
    ///
    /// # Errors
    ///
    /// As [`Pod::put_activity`], and with [`Registration::Create`] those of [`Pod::create_activity`].
    pub async fn register(&self, new: NewActivity, registration: Registration) -> Result<(ActivityView, RevisionNo)> {
        let request = Request::CreateActivity { new, registration };
        ask!(self, request, Reply::Registered(view, revision) => (*view, revision))
    }

    /// Begins to remove an activity: its queue ends as failed, what runs ends first.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchActivity`], and [`PodError::NotDeletable`] while it is verified or already going.
    pub async fn delete_activity(&self, name: &str) -> Result<ActivityView> {
        ask!(self, Request::DeleteActivity { name: name.to_owned() }, Reply::Activity(view) => *view)
    }

    /// An activity with its installations and counts.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchActivity`].
    pub async fn activity(&self, name: &str) -> Result<ActivityView> {
        ask!(self, Request::Activity { name: name.to_owned() }, Reply::Activity(view) => *view)
    }

    /// All activities, by name.
    pub async fn activities(&self) -> Result<Vec<ActivityView>> {
        ask!(self, Request::Activities, Reply::Activities(views) => views)
    }

    /// Names of activities by id, those of deleted ones included as far as executions of them are kept.
    pub async fn activity_names(&self) -> Result<Arc<BTreeMap<ActivityId, Arc<str>>>> {
        ask!(self, Request::ActivityNames, Reply::ActivityNames(names) => names)
    }

    /// The activity that executions of that name are of; one that was deleted, too. A name may have been used before:
    /// the newest counts.
    pub async fn resolve_name(&self, name: &str) -> Result<Option<ActivityId>> {
        let names = self.activity_names().await?;
        Ok(names.iter().rev().find_map(|(id, other)| (**other == *name).then_some(*id)))
    }

    /// The output of an installation; empty where there is none, or none any more.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchActivity`] for an activity that there is not.
    pub async fn install_log(&self, log: InstallLog) -> Result<bytes::Bytes> {
        let printed = self.engine.store().install_log(log).await?;
        if printed.is_empty() && !self.activity_names().await?.contains_key(&log.activity) {
            return Err(PodError::NoSuchActivity(log.activity.to_string()));
        }
        Ok(printed)
    }

    /// The pinned bytes of an activity's revision, once they are there.
    pub async fn payload(&self, activity: ActivityId, revision: RevisionNo) -> Result<Option<Payload>> {
        Ok(self.engine.store().payload(activity, revision).await?)
    }
}
