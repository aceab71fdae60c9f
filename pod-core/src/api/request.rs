//! What can be asked of the engine, and what it answers.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    explanation::Explanation,
    terms::Terms,
    views::{ActivityView, FleetPreview, Overview, Submitted, WorkerView},
};
use crate::{
    domain::{
        ActivityId, Execution, ExecutionId, NewActivity, NewExecution, Policy, PolicyId, RetryRevision, RevisionChoice,
        RevisionNo, WorkerId,
    },
    store::Note,
};

/// A request of a user.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Register an activity, or a new revision of it.
    CreateActivity {
        /// What to register.
        new: NewActivity,
        /// What for.
        registration: Registration,
    },
    /// Begin to remove an activity.
    DeleteActivity {
        /// Its name.
        name: String,
    },
    /// Show an activity.
    Activity {
        /// Its name.
        name: String,
    },
    /// Show all activities.
    Activities,
    /// Show the names of activities.
    ActivityNames,
    /// Start an execution.
    Submit(NewExecution),
    /// Start many.
    SubmitMany {
        /// The name of the activity.
        activity: String,
        /// Which revision of it.
        revision: RevisionChoice,
        /// An input each.
        inputs: Vec<Option<String>>,
        /// Makes the request repeatable.
        idempotency_key: Option<String>,
    },
    /// End an execution.
    Terminate(ExecutionId, TerminationMode),
    /// Repeat an ended execution as a new one; the idempotency key, where there is one, makes the request repeatable.
    Retry(ExecutionId, RetryRevision, Option<String>),
    /// Hand out a result once.
    Retrieve(ExecutionId),
    /// Say why an execution is where it is.
    Explain(ExecutionId),
    /// Show the workers.
    Workers,
    /// Let a worker go.
    DrainWorker(WorkerId),
    /// Show numbers.
    Overview,
    /// Make a policy.
    CreatePolicy {
        /// Its name.
        name: String,
        /// Its rules.
        rules: BTreeMap<String, String>,
    },
    /// Change the rules of a policy, or make it.
    PutPolicy {
        /// Its name.
        name: String,
        /// Its new rules.
        rules: BTreeMap<String, String>,
    },
    /// Make a policy the active one.
    ApplyPolicy {
        /// Its name.
        name: String,
    },
    /// Delete a policy.
    DeletePolicy {
        /// Its name.
        name: String,
    },
    /// Say what rules would do to the fleet.
    PreviewPolicy {
        /// The rules.
        rules: BTreeMap<String, String>,
    },
    /// Show the policies.
    Policies,
    /// Another request, on terms.
    OnTerms(Terms, Box<Request>),
    /// Note what is to be done to many.
    Note {
        /// A hash of what was asked for.
        hash: [u8; 32],
        /// What was found.
        note: Note,
    },
    /// Note what became of it, in the place of what was noted before.
    Conclude {
        /// The idempotency key.
        key: String,
        /// A hash of what was asked for.
        hash: [u8; 32],
        /// What became of it.
        note: Note,
    },
}

impl Request {
    /// What is wanted, whatever the terms.
    pub(crate) fn wanted(&self) -> &Self {
        match self {
            Self::OnTerms(_, request) => request.wanted(),
            request => request,
        }
    }

    /// Whether it changes nothing, and is answered from what is known.
    pub(crate) const fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Activity { .. }
                | Self::Activities
                | Self::ActivityNames
                | Self::Explain(_)
                | Self::Workers
                | Self::Overview
                | Self::PreviewPolicy { .. }
                | Self::Policies
        )
    }

    /// The same request, on terms. Those that start executions have a key of their own; what only looks has none.
    #[must_use]
    pub(crate) fn on(self, terms: &Terms) -> Self {
        let key = terms.key.clone();
        match self {
            Self::Submit(new) => Self::Submit(NewExecution { idempotency_key: new.idempotency_key.or(key), ..new }),
            Self::SubmitMany { activity, revision, inputs, idempotency_key } => {
                Self::SubmitMany { activity, revision, inputs, idempotency_key: idempotency_key.or(key) }
            }
            Self::Retry(id, revision, own) => Self::Retry(id, revision, own.or(key)),
            changing @ (Self::CreateActivity { .. }
            | Self::DeleteActivity { .. }
            | Self::Terminate(..)
            | Self::DrainWorker(_)
            | Self::CreatePolicy { .. }
            | Self::PutPolicy { .. }
            | Self::ApplyPolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::Note { .. }) => Self::OnTerms(terms.clone(), Box::new(changing)),
            other => other,
        }
    }
}

/// What the engine answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// One activity.
    Activity(Box<ActivityView>),
    /// One activity, and the revision of it that was registered or was there already.
    Registered(Box<ActivityView>, RevisionNo),
    /// All activities.
    Activities(Vec<ActivityView>),
    /// Their names.
    ActivityNames(Arc<BTreeMap<ActivityId, Arc<str>>>),
    /// An accepted execution.
    Submitted(Box<Submitted>),
    /// Accepted executions.
    SubmittedMany(Range<u64>),
    /// One execution.
    Execution(Box<Execution>),
    /// Why.
    Explanation(Box<Explanation>),
    /// All workers.
    Workers(Vec<WorkerView>),
    /// One worker.
    Worker(Box<WorkerView>),
    /// Numbers.
    Overview(Box<Overview>),
    /// One policy, and what was done to it.
    Policy(Policy, Put),
    /// What rules would do.
    Preview(Box<FleetPreview>),
    /// All policies, and the active one.
    Policies(Vec<Policy>, PolicyId),
    /// What is noted.
    Noted(Note),
}

/// Whether something was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was not.
    Made,
    /// It was.
    Changed,
}

/// What an activity, or a revision of it, is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// A new activity: the name must be free.
    Create,
    /// What everyone runs from now on.
    Put,
    /// The executions of the one who registers it. An activity that was made otherwise stays as it is.
    Run,
}

/// How an execution is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationMode {
    /// TERM, and KILL after the grace time.
    Grace,
    /// KILL.
    Now,
}
