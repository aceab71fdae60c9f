//! The manager's side of links: what `engine::links` and its outboxes do, in virtual time.

use std::mem::take;

use super::{
    super::{
        ends::End,
        machine::is_beside_store,
        manager_process::{ManagerProcess, News},
        network::{LinkId, Way, over_the_wire},
        options::{Fault, Mutant},
    },
    SimEvent, Step, World, now_or_never,
};
use crate::{
    domain::{ActivityId, AttemptKey, RevisionNo, SessionId, Stream, WorkerId},
    engine::{Part, Piece, Stored, has_room, parts, whole},
    link::{FIRST_VERSION, FromWorker, PayloadFrames, Rejection, ToWorker, decode},
    manager::Input,
    plan,
    store::{DurableOffsets, OutputStore, Store, StoreError},
};

/// A worker that only prints is reported as alive so often.
const SIGN_OF_LIFE: i64 = 1000;
/// A store that was full is asked again so often whether it has room.
const LOOK_FOR_ROOM: i64 = 1000;
/// So much output is made durable at once.
const SYNC_BYTES: usize = 256 << 10;

/// What is sent to workers.
impl World {
    /// Lets a link in: it serves this worker.
    pub(super) fn admit(&mut self, session: SessionId, worker: WorkerId) -> Step {
        let Some(link) = self.ends.link(session) else { return Ok(()) };
        self.is_of_this_history(link)?;
        if let Some(end) = self.ends.ends.get_mut(&link) {
            end.admitted = Some(worker);
        }
        self.ends.newest.insert(worker, link);
        Ok(())
    }

    /// Does not let a link in.
    pub(super) fn refuse(&mut self, session: SessionId, refusal: Rejection) {
        let link = self.ends.link(session);
        if let Some(end) = link.and_then(|link| self.ends.ends.get_mut(&link)) {
            end.outbox.push(ToWorker::Refused(refusal));
            end.last_words = true;
        }
    }

    /// Puts a message into the outbox of a link. Now and then it is full.
    pub(super) fn send(&mut self, session: SessionId, mut message: ToWorker) -> Step {
        if let ToWorker::Start(order) = &message {
            self.checker.start(order.key)?;
        }
        if let ToWorker::Start(order) = &mut message
            && self.options.mutant == Some(Mutant::RunAnotherRevision)
        {
            order.revision = RevisionNo(1);
        }
        if self.options.mutant == Some(Mutant::NeverAcknowledgeEnds) && matches!(message, ToWorker::EndAck { .. }) {
            return Ok(());
        }
        let is_full = self.luck.has(Fault::Network) && self.fault(2);
        let link = self.ends.link(session).filter(|_| !is_full);
        match link.and_then(|link| self.ends.ends.get_mut(&link)) {
            Some(end) => end.outbox.push(message),
            None => {
                let now = self.clock();
                if let Some(process) = &mut self.process {
                    process.manager.handle(Input::NotSent(session), now);
                }
            }
        }
        Ok(())
    }

    /// Gives up a link.
    pub(super) fn hang_up(&mut self, session: SessionId) {
        if let Some(link) = self.ends.link(session) {
            self.close(link);
        }
    }

    /// Sends what is in the outboxes.
    pub(super) fn flush(&mut self) {
        let full: Vec<LinkId> =
            self.ends.ends.iter().filter(|(_, end)| !end.outbox.is_empty()).map(|(link, _)| *link).collect();
        for link in full {
            let Some(end) = self.ends.ends.get_mut(&link) else { continue };
            let (messages, last_words) = (take(&mut end.outbox), end.last_words);
            let mut frame = Vec::new();
            for message in messages {
                let message = self.in_version(link, message);
                // The answer to a hello is the only one of its frame.
                let alone = matches!(message, ToWorker::Welcome(_) | ToWorker::Refused(_));
                if may_come_twice(&message) && self.fault(20) {
                    frame.push(message.clone());
                }
                frame.push(message);
                if alone {
                    self.send_frame(link, take(&mut frame));
                }
            }
            if !frame.is_empty() {
                self.send_frame(link, frame);
            }
            if last_words {
                self.close(link);
            }
        }
    }

    /// The same message in the version that a link speaks.
    fn in_version(&mut self, link: LinkId, message: ToWorker) -> ToWorker {
        let Some(end) = self.ends.ends.get_mut(&link) else { return message };
        match message {
            ToWorker::Welcome(welcome) => {
                end.version = welcome.version;
                ToWorker::Welcome(welcome)
            }
            ToWorker::Offer(offer) if end.version == FIRST_VERSION => {
                now_or_never(whole(&self.store, &offer)).unwrap_or(ToWorker::Offer(offer))
            }
            ToWorker::Offer(offer) => {
                end.offered.insert((offer.activity, offer.revision));
                ToWorker::Offer(offer)
            }
            other => other,
        }
    }

    /// Sends a piece of a payload that a worker asked for, cut as this manager does. Now and then it cannot be read, and
    /// the link ends.
    fn give(&mut self, link: LinkId, (activity, revision): (ActivityId, RevisionNo), offset: u64) -> Step {
        if self.fault(10) {
            return self.manager_end_is_over(link);
        }
        let is_offered = |end: &End| end.offered.contains(&(activity, revision));
        if !self.ends.ends.get(&link).is_some_and(is_offered) {
            return Ok(());
        }
        let payload = now_or_never(self.store.payload(activity, revision)).map_err(|error| error.to_string())?;
        let Some(payload) = payload else { return Ok(()) };
        let number = self.process.as_ref().map_or(0, |process| process.number);
        let piece_len = usize::try_from(1 + number * 17 % 60).unwrap_or(1);
        let frames = PayloadFrames::new(activity, revision, &payload, piece_len).map_err(|error| error.to_string())?;
        if let Some(frame) = frames.at(offset).map_err(|error| error.to_string())? {
            let messages = decode(&frame).map_err(|error| error.to_string())?;
            self.report.pieces += 1;
            self.send_frame(link, messages);
        }
        Ok(())
    }

    fn send_frame(&mut self, link: LinkId, frame: Vec<ToWorker>) {
        if let Some(at) = self.network.send(link, Way::Down, self.now, &mut self.luck).arrives {
            self.at(at - self.now, SimEvent::Down(link, frame));
        }
    }

    /// The manager gives its end of a link up; what was sent goes before.
    pub(super) fn close(&mut self, link: LinkId) {
        self.ends.remove(link);
        if let Some(at) = self.network.send(link, Way::Down, self.now, &mut self.luck).arrives {
            self.at(at - self.now, SimEvent::LinkEnded(link, Way::Down));
        }
    }
}

/// What comes from workers.
impl World {
    /// A worker reached its manager.
    pub(super) fn accept(&mut self, link: LinkId) {
        self.report.links += 1;
        self.ends.ends.insert(link, End { last_said: self.now, version: FIRST_VERSION, ..End::default() });
    }

    /// A frame arrives at the manager.
    pub(super) fn hear(&mut self, mut link: LinkId, frame: Vec<FromWorker>) -> Step {
        if !self.network.carries(link, Way::Up) {
            return Ok(());
        }
        if self.options.mutant == Some(Mutant::SkipTheFence)
            && let Some(newest) = self.network.worker(link).and_then(|worker| self.ends.newest.get(&worker))
        {
            link = *newest;
        }
        if !self.ends.ends.contains_key(&link) {
            return Ok(());
        }
        let frame = over_the_wire(frame, &mut self.luck)?;
        self.report.frames += 1;
        self.note(&("up", link, &frame));
        match self.ends.ends.get(&link) {
            Some(end) if !end.greeted => self.greet(link, frame),
            Some(end) => match end.session {
                Some(session) => self.take_frame(link, session, frame),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn greet(&mut self, link: LinkId, frame: Vec<FromWorker>) -> Step {
        let Some(FromWorker::Hello(mut hello)) = frame.into_iter().next() else {
            return Err("the first message of a link was not a hello".to_owned());
        };
        if self.options.mutant == Some(Mutant::TrustEveryHello) {
            hello.attempts.clear();
        }
        let machine = self.network.worker(link).and_then(|worker| self.machines.get(&worker));
        self.report.outdated += u64::from(machine.is_some_and(|machine| machine.history() < self.ledger.history));
        // So is a manager of the version before: it does not read that end of a hello.
        let is_old = |process: &ManagerProcess| process.number.is_multiple_of(5);
        if machine.is_some_and(|machine| machine.is_of_the_version_before) || self.process.as_ref().is_some_and(is_old)
        {
            hello.newest = 0;
        }
        if let Some(end) = self.ends.ends.get_mut(&link) {
            end.greeted = true;
        }
        self.tell(News::Hello(link, hello))
    }

    /// Output goes into the store, and the rest to the manager.
    fn take_frame(&mut self, link: LinkId, session: SessionId, frame: Vec<FromWorker>) -> Step {
        let Some(worker) = self.ends.ends.get(&link).and_then(|end| end.admitted) else { return Ok(()) };
        let mut news = Vec::new();
        let is_old = self.ends.ends.get(&link).is_some_and(|end| end.version == FIRST_VERSION);
        for message in frame {
            if is_old && !message.is_of_first_version() {
                return Err(format!(
                    "worker {worker} said what a manager of the first version does not know: {message:?}"
                ));
            }
            let twice = comes_twice(&message) && self.fault(20);
            let again = twice.then(|| message.clone());
            for message in [Some(message), again].into_iter().flatten() {
                for part in parts(worker, message)? {
                    match part {
                        Part::Heartbeat => self.ends.send(worker, ToWorker::Heartbeat),
                        Part::AskOutputFile(key, stream) => self.tell_file(worker, key, stream)?,
                        Part::Piece(piece) => self.take_piece(link, worker, piece)?,
                        Part::Want { activity, revision, offset } => self.give(link, (activity, revision), offset)?,
                        Part::Ended(report) => {
                            let Some(end) = self.ends.ends.get_mut(&link) else { continue };
                            if !end.left_out.holds(report.key) {
                                end.taken.remove(&report.key);
                            }
                            news.extend(end.left_out.news_of(report));
                        }
                        Part::News(message) => news.push(message),
                    }
                }
            }
        }
        let Some(end) = self.ends.ends.get_mut(&link) else { return Ok(()) };
        if news.is_empty() && self.now - end.last_said < SIGN_OF_LIFE {
            self.flush();
            return Ok(());
        }
        end.last_said = self.now;
        if news.is_empty() {
            news.push(FromWorker::Heartbeat);
        }
        self.tell(News::Input(Input::Said { worker, session, messages: news }))
    }

    /// Tells a worker on the machine of the manager where it may write a stream itself.
    fn tell_file(&mut self, worker: WorkerId, key: AttemptKey, stream: Stream) -> Step {
        let is_open = self.process.as_ref().is_some_and(|process| process.open.get(&key) == Some(&worker));
        if !is_open || !is_beside_store(worker) {
            return Ok(());
        }
        let file = now_or_never(self.store.output_file(key, stream)).map_err(|error| error.to_string())?;
        if let Some(file) = file {
            self.ends.send(worker, ToWorker::OutputFile { key, stream, file });
        }
        Ok(())
    }

    fn take_piece(&mut self, link: LinkId, worker: WorkerId, piece: Piece) -> Step {
        let open = self.process.as_ref().map(|process| &process.open);
        let is_open = |key: AttemptKey| open.is_some_and(|open| open.get(&key) == Some(&worker));
        let Some(end) = self.ends.ends.get(&link) else { return Ok(()) };
        if !piece.attempt().is_none_or(|key| is_open(key) && !end.left_out.holds(key)) {
            return Ok(());
        }
        let acknowledged = piece.acknowledged();
        self.report.wrote += u64::from(matches!(piece, Piece::Wrote { .. }));
        let result = if self.has_room() {
            now_or_never(piece.clone().store(&self.store))
        } else {
            Err(StoreError::Full("no space is left".into()))
        };
        let Some(end) = self.ends.ends.get_mut(&link) else { return Ok(()) };
        let asked = end.left_out.first().is_some();
        match end.left_out.stored(piece, result) {
            Stored::Kept | Stored::Superseded => {}
            Stored::LeftOut(..) => {
                self.report.left_out += 1;
                if !asked && end.left_out.first().is_some() {
                    self.at(LOOK_FOR_ROOM, SimEvent::LookForRoom(link));
                }
                return Ok(());
            }
            Stored::Again(_, error) => return Err(error.to_string()),
            Stored::Failed(error) => return Err(format!("worker {worker}: {error}")),
        }
        if let Some((key, len)) = acknowledged {
            let first = end.taken.is_empty();
            end.taken.insert(key);
            end.taken_bytes += len;
            let much = end.taken_bytes >= SYNC_BYTES;
            if first || much {
                let wait = if much { 1 } else { self.luck.intake.between(1, 60).cast_signed() };
                self.at(wait, SimEvent::Sync(link));
            }
        }
        Ok(())
    }

    /// Output is made durable and acknowledged; now and then that fails, and is tried again.
    pub(super) fn sync(&mut self, link: LinkId) -> Step {
        let Some(end) = self.ends.ends.get_mut(&link) else { return Ok(()) };
        end.taken_bytes = 0;
        let (keys, worker) = (take(&mut end.taken), end.admitted);
        if self.fault(50) {
            if let Some(end) = self.ends.ends.get_mut(&link) {
                end.taken.extend(keys);
            }
            self.at(50, SimEvent::Sync(link));
            return Ok(());
        }
        for key in keys {
            let durable = if self.options.mutant == Some(Mutant::AcknowledgeTooEarly) {
                let summary = now_or_never(self.store.output_summary(key)).map_err(|error| error.to_string())?;
                DurableOffsets { stdout: summary.stdout.len, stderr: summary.stderr.len, interleaving: 0 }
            } else {
                now_or_never(self.store.sync_output(key)).map_err(|error| error.to_string())?
            };
            let DurableOffsets { stdout, stderr, interleaving: order } = durable;
            if let Some(worker) = worker.filter(|_| durable != DurableOffsets::default()) {
                self.report.acknowledgements += 1;
                self.ends.send(worker, ToWorker::OutputAck { key, stdout, stderr, order });
            }
        }
        self.flush();
        Ok(())
    }

    /// A link of which something was left out ends when there is room again.
    pub(super) fn ask_for_room(&mut self, link: LinkId) -> Step {
        let Some(first) = self.ends.ends.get(&link).and_then(|end| end.left_out.first().cloned()) else {
            return Ok(());
        };
        let said = if self.has_room() {
            now_or_never(first.store(&self.store))
        } else {
            Err(StoreError::Full("no space is left".into()))
        };
        if has_room(&said) {
            self.manager_end_is_over(link)
        } else {
            self.at(LOOK_FOR_ROOM, SimEvent::LookForRoom(link));
            Ok(())
        }
    }

    /// The manager ends a link by itself.
    fn manager_end_is_over(&mut self, link: LinkId) -> Step {
        let end = self.ends.remove(link);
        self.close(link);
        self.lost(end)
    }

    /// The end of a link arrives at one side.
    pub(super) fn link_ended(&mut self, link: LinkId, way: Way) -> Step {
        let Some(worker) = self.network.worker(link) else { return Ok(()) };
        match way {
            Way::Down => {
                if let Some(machine) = self.machines.get_mut(&worker) {
                    machine.link_ended(link, self.now, &mut self.luck);
                }
                Ok(())
            }
            Way::Up => {
                let end = self.ends.remove(link);
                self.lost(end)
            }
        }
    }

    fn lost(&mut self, end: Option<End>) -> Step {
        let lost = end.and_then(|end| end.session.zip(end.admitted));
        let Some((session, worker)) = lost else { return Ok(()) };
        self.tell(News::Input(Input::Happened(plan::Input::LinkLost { worker, session })))
    }
}

/// What a worker takes twice: it is sent again after every hello.
const fn may_come_twice(message: &ToWorker) -> bool {
    !matches!(message, ToWorker::Welcome(_) | ToWorker::Refused(_))
}

/// What a manager takes twice. A piece of an installation's log has no offset, and the number of an attempt that was
/// given back is used again.
const fn comes_twice(message: &FromWorker) -> bool {
    !matches!(message, FromWorker::Hello(_) | FromWorker::InstallOutput { .. } | FromWorker::Recalled { .. })
}
