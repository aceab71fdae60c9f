//! Defects of a worker that are built in on purpose: what goes into the real one and comes out of it is changed.

use std::collections::BTreeSet;

use super::executor::ModelExecutor;
use crate::{
    domain::AttemptKey,
    link::{FromWorker, ToWorker},
    testing::simulator::options::Mutant,
};

/// A worker's defect, if it has one.
#[derive(Debug)]
pub(super) struct Defect {
    mutant: Option<Mutant>,
    links: u32,
    ends: BTreeSet<AttemptKey>,
    resumed: BTreeSet<AttemptKey>,
    /// What it says beside what the real one does.
    says: Vec<FromWorker>,
}

impl Defect {
    pub(super) const fn new(mutant: Option<Mutant>) -> Self {
        Self { mutant, links: 0, ends: BTreeSet::new(), resumed: BTreeSet::new(), says: Vec::new() }
    }

    pub(super) fn connected(&mut self) {
        self.links += 1;
        self.resumed.clear();
    }

    /// What it hears.
    pub(super) fn heard(&mut self, messages: &mut Vec<ToWorker>, executor: &ModelExecutor) {
        match self.mutant {
            Some(Mutant::IgnoreStops) => messages.retain(|message| !matches!(message, ToWorker::Stop { .. })),
            Some(Mutant::GiveBackWhatRuns) => {
                for message in messages {
                    if let ToWorker::Recall { key } = message
                        && executor.has_begun(*key)
                    {
                        self.says.push(FromWorker::Recalled { key: *key });
                    }
                }
            }
            _ => {}
        }
    }

    /// What it says.
    pub(super) fn said(&mut self, frame: &mut Vec<FromWorker>) {
        frame.append(&mut self.says);
        match self.mutant {
            Some(Mutant::TellEndsOnce) => {
                frame.retain(|message| match message {
                    FromWorker::Ended(report) => self.ends.insert(report.key),
                    _ => true,
                });
            }
            Some(Mutant::ResendFromElsewhere) if self.links > 1 => {
                for message in frame {
                    if let FromWorker::Output { key, offset, .. } = message
                        && self.resumed.insert(*key)
                    {
                        *offset = offset.saturating_sub(1);
                    }
                }
            }
            _ => {}
        }
    }
}
