//! A worker as the simulator sees it: keeps to the protocol of the link, runs programs that only take time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    domain::{
        ActivityId, AttemptEnd, AttemptKey, Epoch, ExecutionId, RevisionNo, SessionId, StoreId, Timestamp, WorkerId,
    },
    link::{AttemptReport, EndReport, FromWorker, Hello, InstallOutcome, PROTOCOL_VERSION, ToWorker},
};

/// What became of an attempt on a worker.
#[derive(Clone, Debug)]
enum Job {
    /// Of an activity of this name.
    Waiting(Arc<str>),
    Running {
        started: Timestamp,
        ends: Timestamp,
        stopped: bool,
    },
    Ended(EndReport),
}

/// A modelled worker process.
#[derive(Clone, Debug)]
pub(super) struct SimWorker {
    pub(super) id: WorkerId,
    pub(super) store: StoreId,
    pub(super) epoch: Option<Epoch>,
    pub(super) incarnation: u64,
    pub(super) slots: u32,
    /// The link that it believes in.
    pub(super) session: Option<SessionId>,
    jobs: BTreeMap<AttemptKey, Job>,
    installed: BTreeSet<(ActivityId, RevisionNo)>,
    installing: BTreeMap<(ActivityId, RevisionNo), Timestamp>,
    /// Every start of a program, with the name of its activity, for the invariants.
    pub(super) starts: Vec<(ExecutionId, Arc<str>)>,
}

/// How long programs and installations take, and how they end: drawn by the world.
pub(super) trait Fate {
    fn run_time(&mut self, key: AttemptKey) -> u64;
    fn end(&mut self, key: AttemptKey) -> AttemptEnd;
    fn install_time(&mut self) -> u64;
    fn install_fails(&mut self) -> bool;
}

impl SimWorker {
    pub(super) fn new(id: WorkerId, store: StoreId, incarnation: u64, slots: u32) -> Self {
        Self {
            id,
            store,
            epoch: None,
            incarnation,
            slots,
            session: None,
            jobs: BTreeMap::new(),
            installed: BTreeSet::new(),
            installing: BTreeMap::new(),
            starts: Vec::new(),
        }
    }

    pub(super) fn hello(&self) -> Hello {
        let report = |(key, job): (&AttemptKey, &Job)| AttemptReport {
            key: *key,
            started_at: match job {
                Job::Waiting(_) => None,
                Job::Running { started, .. } => Some(*started),
                Job::Ended(end) => end.started_at,
            },
            ended: matches!(job, Job::Ended(_)),
        };
        Hello {
            protocol: PROTOCOL_VERSION,
            store: Some(self.store),
            worker: Some(self.id),
            epoch: self.epoch,
            incarnation: self.incarnation,
            token: None,
            slots: self.slots,
            host: None,
            attempts: self.jobs.iter().map(report).collect(),
            installed: self.installed.iter().copied().collect(),
            installing: self.installing.keys().copied().collect(),
        }
    }

    /// Takes a message; answers at once where that is due. False when it was told to end.
    pub(super) fn take(
        &mut self,
        message: ToWorker,
        now: Timestamp,
        fate: &mut impl Fate,
        said: &mut Vec<FromWorker>,
    ) -> bool {
        match message {
            ToWorker::Welcome(welcome) => {
                if welcome.store != self.store || self.epoch.is_some_and(|epoch| epoch > welcome.epoch) {
                    return false;
                }
                self.epoch = Some(welcome.epoch);
                self.session = Some(welcome.session);
                for key in welcome.discard {
                    self.jobs.remove(&key);
                }
                for key in welcome.remove {
                    self.installed.remove(&key);
                    self.installing.remove(&key);
                }
                let ended = self.jobs.values().filter_map(|job| match job {
                    Job::Ended(report) => Some(FromWorker::Ended(Box::new(report.clone()))),
                    _ => None,
                });
                said.extend(ended);
            }
            ToWorker::Heartbeat => {}
            ToWorker::Refused(_) | ToWorker::Shutdown { .. } => return false,
            ToWorker::Install { activity, revision, .. } => {
                let key = (activity, revision);
                if self.installed.contains(&key) {
                    said.push(FromWorker::InstallEnded { activity, revision, outcome: InstallOutcome::Installed });
                } else {
                    let ends = || Timestamp(now.0 + fate.install_time().cast_signed());
                    self.installing.entry(key).or_insert_with(ends);
                }
            }
            ToWorker::Remove { activity, revision } => {
                self.installed.remove(&(activity, revision));
                self.installing.remove(&(activity, revision));
                said.push(FromWorker::Removed { activity, revision });
            }
            ToWorker::Start(order) => {
                self.jobs.entry(order.key).or_insert(Job::Waiting(order.activity_name));
            }
            ToWorker::Stop { key, .. } => match self.jobs.get_mut(&key) {
                Some(Job::Running { ends, stopped, .. }) => {
                    *stopped = true;
                    *ends = now;
                }
                Some(job @ Job::Waiting(_)) => {
                    let report = ended(key, None, now, AttemptEnd::Terminated);
                    *job = Job::Ended(report.clone());
                    said.push(FromWorker::Ended(Box::new(report)));
                }
                Some(Job::Ended(_)) => {}
                None => said.push(FromWorker::Ended(Box::new(ended(key, None, now, AttemptEnd::Lost)))),
            },
            ToWorker::Recall { key } => {
                if matches!(self.jobs.get(&key), Some(Job::Waiting(_))) {
                    self.jobs.remove(&key);
                    said.push(FromWorker::Recalled { key });
                }
            }
            ToWorker::EndAck { key } => {
                if matches!(self.jobs.get(&key), Some(Job::Ended(_))) {
                    self.jobs.remove(&key);
                }
            }
            ToWorker::OutputAck { .. } => {}
        }
        true
    }

    /// Lets time pass: programs start and end.
    pub(super) fn pass(&mut self, now: Timestamp, fate: &mut impl Fate, said: &mut Vec<FromWorker>) {
        for (key, job) in &mut self.jobs {
            let Job::Running { started, ends, stopped } = *job else { continue };
            if ends <= now {
                let end = if stopped { AttemptEnd::Terminated } else { fate.end(*key) };
                let report = ended(*key, Some(started), now, end);
                *job = Job::Ended(report.clone());
                said.push(FromWorker::Ended(Box::new(report)));
            }
        }
        let running = self.jobs.values().filter(|job| matches!(job, Job::Running { .. })).count();
        let free = (self.slots as usize).saturating_sub(running);
        let waiting = self.jobs.iter_mut().filter(|(_, job)| matches!(job, Job::Waiting(_))).take(free);
        for (key, job) in waiting {
            let Job::Waiting(activity) = &*job else { continue };
            self.starts.push((key.execution, activity.clone()));
            let ends = Timestamp(now.0 + fate.run_time(*key).cast_signed());
            *job = Job::Running { started: now, ends, stopped: false };
            said.push(FromWorker::Running { key: *key, at: now });
        }
        for ((activity, revision), _) in self.installing.extract_if(.., |_, ends| *ends <= now) {
            let outcome = if fate.install_fails() {
                InstallOutcome::Failed { message: "the script failed".to_owned(), permanent: true }
            } else {
                self.installed.insert((activity, revision));
                InstallOutcome::Installed
            };
            said.push(FromWorker::InstallEnded { activity, revision, outcome });
        }
    }

    /// When a program or an installation ends next.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let programs = self.jobs.values().filter_map(|job| match job {
            Job::Running { ends, .. } => Some(*ends),
            _ => None,
        });
        programs.chain(self.installing.values().copied()).min()
    }

    /// The process died and a new one begins on the same disk.
    pub(super) fn restart(&mut self, incarnation: u64) {
        self.jobs.clear();
        self.installing.clear();
        self.session = None;
        self.incarnation = incarnation;
    }
}

fn ended(key: AttemptKey, started_at: Option<Timestamp>, ended_at: Timestamp, end: AttemptEnd) -> EndReport {
    EndReport {
        key,
        started_at,
        ended_at,
        end,
        stdout: Bytes::new(),
        stdout_from: 0,
        stderr: Bytes::new(),
        stderr_from: 0,
        order: Bytes::new(),
        order_from: 0,
    }
}
