//! What the manager does to the world: messages on links, workers that come and go.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Step, World};
use crate::{
    domain::{Millis, Payload},
    link::ToWorker,
    plan::Effect,
};

impl World {
    pub(super) fn perform(&mut self, effects: Vec<Effect>) -> Step {
        for effect in effects {
            match effect {
                Effect::Welcome(welcome) => self.welcome(*welcome),
                Effect::Refuse(session, refusal) => self.refuse(session, refusal),
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
                Effect::Disconnect(session) => self.hang_up(session),
                Effect::Create(id, _) => self.create(id),
                Effect::Destroy(id) => self.destroy(id),
                Effect::List => self.list(),
                Effect::Fetch(..) | Effect::Expire(_) => {}
            }
        }
        self.flush();
        Ok(())
    }
}
