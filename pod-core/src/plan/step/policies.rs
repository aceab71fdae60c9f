//! Requests about policies.

use std::collections::BTreeMap;

use super::super::{decision::Decision, state::State};
use crate::{
    api::{PodError, Put, Reply},
    domain::{ActivityName, EventDetail, EventKind, Policy, PolicyChange, PolicyId, Rules},
    store::Change,
};

type Answer = Result<Reply, PodError>;

impl State {
    fn policy_named(&self, name: &str) -> Result<Policy, PodError> {
        let found = self.policies.values().find(|policy| policy.name.as_str() == name);
        found.cloned().ok_or_else(|| PodError::NoSuchPolicy(name.to_owned()))
    }

    pub(super) fn create_policy(&mut self, name: &str, rules: BTreeMap<String, String>, out: &mut Decision) -> Answer {
        let name = ActivityName::new(name)?;
        if self.policy_named(name.as_str()).is_ok() {
            return Err(PodError::PolicyExists(name.to_string()));
        }
        let rules = Rules::complete(rules)?;
        self.ids.policy += 1;
        let policy = Policy { id: PolicyId(self.ids.policy), name, rules };
        self.policies.insert(policy.id, policy.clone());
        out.change(Change::PutPolicy(policy.clone()));
        self.tell(&policy, PolicyChange::Made, out);
        Ok(Reply::Policy(policy, Put::Made))
    }

    /// A row of a policy never changes: the new rules are another row of the same name.
    pub(super) fn put_policy(&mut self, name: &str, rules: BTreeMap<String, String>, out: &mut Decision) -> Answer {
        let Ok(old) = self.policy_named(name) else { return self.create_policy(name, rules, out) };
        if old.id == PolicyId(0) {
            return Err(PodError::DefaultPolicy);
        }
        let rules = Rules::complete(rules)?;
        self.ids.policy += 1;
        let policy = Policy { id: PolicyId(self.ids.policy), name: old.name, rules };
        self.policies.remove(&old.id);
        self.policies.insert(policy.id, policy.clone());
        out.change(Change::DeletePolicy(old.id));
        out.change(Change::PutPolicy(policy.clone()));
        self.tell(&policy, PolicyChange::Changed, out);
        if self.active_policy == old.id {
            self.activate(&policy, out);
        }
        Ok(Reply::Policy(policy, Put::Changed))
    }

    pub(super) fn apply_policy(&mut self, name: &str, out: &mut Decision) -> Answer {
        let policy = self.policy_named(name)?;
        self.activate(&policy, out);
        Ok(Reply::Policy(policy, Put::Changed))
    }

    fn activate(&mut self, policy: &Policy, out: &mut Decision) {
        self.active_policy = policy.id;
        self.due.sized_at = None;
        // A person asks for another fleet: earlier refusals do not count against it.
        (self.due.launch_at, self.due.refused_launches) = (self.now, 0);
        self.launch_refusal = None;
        out.change(Change::ActivatePolicy(policy.id));
        self.tell(policy, PolicyChange::Applied, out);
    }

    pub(super) fn delete_policy(&mut self, name: &str, out: &mut Decision) -> Answer {
        let policy = self.policy_named(name)?;
        if policy.id == PolicyId(0) {
            return Err(PodError::DefaultPolicy);
        }
        self.policies.remove(&policy.id);
        if self.active_policy == policy.id {
            self.activate(&Policy::built_in(), out);
        }
        out.change(Change::DeletePolicy(policy.id));
        self.tell(&policy, PolicyChange::Deleted, out);
        Ok(Reply::Policy(policy, Put::Changed))
    }

    fn tell(&self, policy: &Policy, change: PolicyChange, out: &mut Decision) {
        let detail = EventDetail::Policy { name: policy.name.clone(), change };
        out.event(self.wall(), EventKind::PolicyChanged).detail = Some(detail);
    }

    /// The rules that apply.
    pub(in crate::plan) fn rules(&self) -> Rules {
        let active = self.policies.get(&self.active_policy).cloned().unwrap_or_else(Policy::built_in);
        active.parsed().unwrap_or_default()
    }
}
