//! Installations of a machine: scripts that print, take a while, fail, or hang.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{calendar::Calendar, disk::Disk};
use crate::{
    domain::{ActivityId, RevisionNo},
    executor::{INSTALLATIONS_AT_A_TIME, InstallError, InstallRequest},
    testing::simulator::{luck::Luck, options::Fault},
    worker::state::Input,
};

type Key = (ActivityId, RevisionNo);

#[derive(Debug)]
enum Due {
    Print(Key, u64, usize),
    End(Key, u64, Result<(), InstallError>),
    Aborted(Key),
    Removed(Key),
}

#[derive(Debug, Default)]
pub(super) struct Installer {
    tries: u64,
    current: BTreeMap<Key, u64>,
    calendar: Calendar<Due>,
}

impl Installer {
    pub(super) fn next(&self) -> Option<i64> {
        self.calendar.next()
    }

    pub(super) fn postpone(&mut self, by: i64) {
        self.calendar.postpone(by);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calendar.next().is_none()
    }

    pub(super) fn install(&mut self, request: &InstallRequest, now: i64, luck: &mut Luck) -> Result<(), String> {
        let key = (request.activity, request.revision);
        self.tries += 1;
        if self.current.insert(key, self.tries).is_some() {
            return Err(format!("revision {} of activity {} is installed twice at once", key.1, key.0));
        }
        if self.current.len() > INSTALLATIONS_AT_A_TIME {
            return Err(format!("{} installations are under way at once", self.current.len()));
        }
        let faulty = luck.has(Fault::Install);
        let random = &mut luck.installs;
        let mut takes = random.between(10, 3000).cast_signed();
        let failed = |message: &str, permanent| Err(InstallError { message: message.to_owned(), permanent });
        let mut result = match random.between(0, 100) {
            0..3 => failed("the script failed", true),
            3..6 if faulty => failed("the network is away", false),
            _ => Ok(()),
        };
        for _ in 0..random.between(0, 4) {
            let (at, len) = (random.between(0, takes.unsigned_abs()).cast_signed(), random.between(1, 2000));
            let len = if random.per_mille(20) { len * 200 } else { len };
            self.calendar.put(now + at, Due::Print(key, self.tries, usize::try_from(len).unwrap_or(1)));
        }
        // It hangs: the executor ends it when its time is over.
        if faulty && random.per_mille(20) {
            takes = request.timeout.0.cast_signed();
            result = failed("the script did not end within its time limit", true);
            luck.hangs += 1;
        }
        self.calendar.put(now + takes, Due::End(key, self.tries, result));
        Ok(())
    }

    pub(super) fn abort(&mut self, key: Key, now: i64, luck: &mut Luck) {
        // One that has ended has told so itself.
        if self.current.remove(&key).is_some() {
            let at = now + luck.installs.between(0, 50).cast_signed();
            self.calendar.put(at, Due::Aborted(key));
        }
    }

    pub(super) fn remove(&mut self, key: Key, disk: &mut Disk, now: i64, luck: &mut Luck) {
        disk.installed.remove(&key);
        let at = now + luck.installs.between(0, 100).cast_signed();
        self.calendar.put(at, Due::Removed(key));
    }

    /// Adds what has happened by now, in its order.
    pub(super) fn pass(&mut self, now: i64, disk: &mut Disk, inputs: &mut Vec<Input>) {
        while let Some((_, due)) = self.calendar.take(now) {
            let is_current = |key, number: u64| self.current.get(&key) == Some(&number);
            match due {
                Due::Print(key, number, len) if is_current(key, number) => {
                    inputs.push(Input::InstallOutput(key.0, key.1, Bytes::from(vec![b'.'; len])));
                }
                Due::End(key, number, result) if is_current(key, number) => {
                    self.current.remove(&key);
                    if result.is_ok() {
                        disk.installed.insert(key);
                    }
                    inputs.push(Input::InstallEnded(key.0, key.1, result));
                }
                Due::Print(..) | Due::End(..) => {}
                Due::Aborted(key) => inputs.push(Input::InstallAborted(key.0, key.1)),
                Due::Removed(key) => inputs.push(Input::Removed(key.0, key.1)),
            }
        }
    }
}
