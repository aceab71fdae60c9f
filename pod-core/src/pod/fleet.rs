//! The fleet: workers, and the policies that size it.

use std::collections::BTreeMap;

use super::handle::{Pod, Result, ask};
use crate::{
    api::{FleetPreview, Overview, Put, Reply, Request, WorkerView},
    domain::{Policy, PolicyId, ScalingDecision, WorkerId},
};

impl Pod {
    /// All workers, the gone ones included for a while, newest first.
    pub async fn workers(&self) -> Result<Vec<WorkerView>> {
        ask!(self, Request::Workers, Reply::Workers(workers) => workers)
    }

    /// Lets a worker go when what it runs has ended.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchWorker`](crate::PodError::NoSuchWorker) and [`PodError::WorkerGone`](crate::PodError::WorkerGone).
    pub async fn drain_worker(&self, id: WorkerId) -> Result<WorkerView> {
        ask!(self, Request::DrainWorker(id), Reply::Worker(worker) => *worker)
    }

    /// What the whole POD is doing, in numbers.
    pub async fn overview(&self) -> Result<Overview> {
        ask!(self, Request::Overview, Reply::Overview(overview) => *overview)
    }

    /// Makes a policy. `rules` as in [`crate::domain::Rules`].
    ///
    /// # Errors
    ///
    /// [`PodError::InvalidName`](crate::PodError::InvalidName) and [`PodError::InvalidRule`](crate::PodError::InvalidRule); [`PodError::PolicyExists`](crate::PodError::PolicyExists).
    pub async fn create_policy(&self, name: &str, rules: BTreeMap<String, String>) -> Result<Policy> {
        ask!(self, Request::CreatePolicy { name: name.to_owned(), rules }, Reply::Policy(policy, _) => policy)
    }

    /// Gives a policy other rules, or makes it, and tells which. If it is the active one, the fleet is brought to them.
    ///
    /// # Errors
    ///
    /// [`PodError::InvalidName`](crate::PodError::InvalidName) and [`PodError::InvalidRule`](crate::PodError::InvalidRule); [`PodError::DefaultPolicy`](crate::PodError::DefaultPolicy) for the built-in one.
    pub async fn update_policy(&self, name: &str, rules: BTreeMap<String, String>) -> Result<(Policy, Put)> {
        ask!(self, Request::PutPolicy { name: name.to_owned(), rules }, Reply::Policy(policy, put) => (policy, put))
    }

    /// Makes a policy the active one; the fleet is brought to it.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchPolicy`](crate::PodError::NoSuchPolicy).
    pub async fn apply_policy(&self, name: &str) -> Result<Policy> {
        ask!(self, Request::ApplyPolicy { name: name.to_owned() }, Reply::Policy(policy, _) => policy)
    }

    /// What applying these rules would do to the fleet as it is now.
    ///
    /// # Errors
    ///
    /// [`PodError::InvalidRule`](crate::PodError::InvalidRule).
    pub async fn preview_policy(&self, rules: BTreeMap<String, String>) -> Result<FleetPreview> {
        ask!(self, Request::PreviewPolicy { rules }, Reply::Preview(preview) => *preview)
    }

    /// Deletes a policy; the default one takes over if it was active.
    ///
    /// # Errors
    ///
    /// [`PodError::NoSuchPolicy`](crate::PodError::NoSuchPolicy), and [`PodError::DefaultPolicy`](crate::PodError::DefaultPolicy) for the built-in one.
    pub async fn delete_policy(&self, name: &str) -> Result<Policy> {
        ask!(self, Request::DeletePolicy { name: name.to_owned() }, Reply::Policy(policy, _) => policy)
    }

    /// Makes the default policy the active one.
    pub async fn reset_policies(&self) -> Result<Policy> {
        ask!(self, Request::ApplyPolicy { name: "default".to_owned() }, Reply::Policy(policy, _) => policy)
    }

    /// All policies, the default one first, and which is active.
    pub async fn policies(&self) -> Result<(Vec<Policy>, PolicyId)> {
        ask!(self, Request::Policies, Reply::Policies(policies, active) => (policies, active))
    }

    /// The last decisions about the fleet, newest first.
    pub async fn scaling_decisions(&self, limit: usize) -> Result<Vec<ScalingDecision>> {
        Ok(self.engine.store().decisions(limit).await?)
    }
}
