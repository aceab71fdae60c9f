//! What the manager does to the world: messages on links, workers that come and go.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{super::worker::SimWorker, Happening, Step, World};
use crate::{
    domain::{Millis, Payload, SessionId, WorkerId},
    link::ToWorker,
    plan::{Effect, Input},
    store::Store,
};

impl World {
    pub(super) fn perform(&mut self, effects: Vec<Effect>) -> Step {
        for effect in effects {
            match effect {
                Effect::Welcome(welcome) => {
                    let (id, session) = (welcome.worker, welcome.session);
                    self.send_on(session, id, ToWorker::Welcome(welcome));
                }
                Effect::Refuse(session, refusal) => {
                    if let Some((id, _)) = self.links.get(&session).copied() {
                        self.send_on(session, id, ToWorker::Refused(refusal));
                    }
                }
                Effect::Start(id, order) => {
                    self.checker.start(order.key)?;
                    self.send_down(id, ToWorker::Start(Box::new(order)));
                }
                Effect::Stop(id, key, grace) => self.send_down(id, ToWorker::Stop { key, grace }),
                Effect::Recall(id, key) => self.send_down(id, ToWorker::Recall { key }),
                Effect::AckEnd(id, key) => self.send_down(id, ToWorker::EndAck { key }),
                Effect::Install(id, activity, revision) => {
                    let payload = Payload::Script(Bytes::from_static(b"echo > main.sh"));
                    let (env, timeout) = (BTreeMap::new(), Millis(60_000));
                    self.send_down(id, ToWorker::Install { activity, revision, payload, env, timeout });
                }
                Effect::Remove(id, activity, revision) => self.send_down(id, ToWorker::Remove { activity, revision }),
                Effect::Shutdown(id, reason) => self.send_down(id, ToWorker::Shutdown { reason }),
                Effect::Disconnect(session) => {
                    self.links.remove(&session);
                }
                Effect::Create(id, _) => self.create(id),
                Effect::Destroy(id) => {
                    self.links.retain(|_, (worker, _)| *worker != id);
                    self.workers.remove(&id);
                    let delay = self.faults.between(1, 500).cast_signed();
                    let failed = self.fault(50);
                    let result = if failed { Err("the machine does not answer".to_owned()) } else { Ok(()) };
                    self.at(delay, Happening::Manager(Input::Destroyed { worker: id, result }));
                }
                Effect::List => {
                    let listed = self.workers.keys().copied().collect();
                    self.at(5, Happening::Manager(Input::Listed(listed)));
                }
                Effect::Fetch(..) | Effect::Expire(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn create(&mut self, id: WorkerId) {
        let delay = self.faults.between(1, 4000).cast_signed();
        if self.fault(100) {
            let result = Err(crate::provisioner::ProvisionError::new("no machine to be had"));
            return self.at(delay, Happening::Manager(Input::Created { worker: id, result }));
        }
        self.at(delay, Happening::Manager(Input::Created { worker: id, result: Ok(()) }));
        self.incarnations += 1;
        let worker = SimWorker::new(id, self.store.id(), self.incarnations, 2);
        self.workers.entry(id).or_insert(worker);
        if !self.fault(50) {
            self.at(delay + 100, Happening::Dial(id)); // else it never dials in
        }
    }

    pub(super) fn send_down(&mut self, id: WorkerId, message: ToWorker) {
        let newest = self.links.iter().filter(|(_, (worker, _))| *worker == id).map(|(session, _)| *session).max();
        if let Some(session) = newest {
            self.send_on(session, id, message);
        }
    }

    pub(super) fn send_on(&mut self, session: SessionId, id: WorkerId, message: ToWorker) {
        let twice = self.fault(30);
        if let Some(at) = self.arrival(session) {
            if twice {
                self.at(at, Happening::Down(session, id, message.clone()));
            }
            self.at(at, Happening::Down(session, id, message));
        }
    }
}
