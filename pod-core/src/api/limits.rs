//! Times, counts and sizes, and what they may be.

use std::fmt;

use crate::{
    domain::{MAX_SLOTS, Millis},
    link::MAX_FRAME,
};

/// Times, counts and sizes; the defaults are those of the documentation. [`crate::PodBuilder::start`] checks them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many executions one worker runs at a time, 1 to 1024. A backend that decides it itself has its way.
    pub slots: u32,
    /// The longest input in bytes.
    pub max_input: usize,
    /// The longest script or archive in bytes.
    pub max_payload: usize,
    /// How long an installation script may run; at least a second.
    pub install_timeout: Millis,
    /// Between TERM and KILL.
    pub grace_period: Millis,
    /// How many bytes of output of one attempt keep their place; then only a tail is kept. At least 64 KiB.
    pub output_cap: u64,
    /// How often a worker says something.
    pub heartbeat_interval: Millis,
    /// Silent for so long: no new work. At least twice `heartbeat`.
    pub unreachable_after: Millis,
    /// Silent for so long: its work is given up. At least `unreachable_after`, and a second.
    pub worker_timeout: Millis,
    /// After so many lost attempts an execution fails; at least 1.
    pub max_lost_attempts: u32,
    /// How long ended executions are kept.
    pub retention: Millis,
    /// Before the first retry; doubled for each further one, up to five minutes.
    pub retry_backoff: Millis,
    /// How long a worker goes on without a manager while it runs nothing; at least `heartbeat`.
    pub orphan_timeout: Millis,
    /// How long the lease of the store lasts: so long after a manager was killed another one takes over. It is renewed
    /// three times as often; at least a second.
    pub lease_ttl: Millis,
}

/// No time is longer: a century. What is, was meant otherwise.
const MAX_DURATION: Millis = Millis::from_secs(100 * 365 * 24 * 3600);
const SECOND: Millis = Millis::from_secs(1);
const LEAST_OUTPUT: u64 = 64 << 10;
/// What goes to a worker in one frame, beside what else is in it.
const LONGEST_MESSAGE: u64 = (MAX_FRAME - (1 << 20)) as u64;

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
        Self {
            slots: cores.min(MAX_SLOTS),
            max_input: 1 << 20,
            max_payload: 32 << 20,
            install_timeout: Millis::from_secs(1800),
            grace_period: Millis::from_secs(10),
            output_cap: 64 << 20,
            heartbeat_interval: Millis::from_secs(5),
            unreachable_after: Millis::from_secs(15),
            worker_timeout: Millis::from_secs(30),
            max_lost_attempts: 3,
            retention: Millis::from_secs(7 * 24 * 3600),
            retry_backoff: Millis::from_secs(1),
            orphan_timeout: Millis::from_secs(600),
            lease_ttl: Millis::from_secs(10),
        }
    }
}

impl Limits {
    /// Whether a POD can work with them; if not, which member is wrong and what it may be.
    ///
    /// # Errors
    ///
    /// For the first member that is out of its bounds.
    pub fn check(&self) -> Result<(), InvalidLimit> {
        let (count, bytes, time) = (|n: u32| Amount::Count(n.into()), Amount::Bytes, Amount::Time);
        let size = |n: usize| Amount::Bytes(u64::try_from(n).unwrap_or(u64::MAX));
        let most_time = Bound::Most(time(MAX_DURATION));
        Self::within("slots", count(self.slots), Bound::Least(count(1)), Bound::Most(count(MAX_SLOTS)))?;
        for (member, length) in [("max_input", self.max_input), ("max_payload", self.max_payload)] {
            Self::within(member, size(length), Bound::Least(bytes(1)), Bound::Most(bytes(LONGEST_MESSAGE)))?;
        }
        let most_output = Bound::Most(bytes(i64::MAX.unsigned_abs()));
        Self::within("output_cap", bytes(self.output_cap), Bound::Least(bytes(LEAST_OUTPUT)), most_output)?;
        Self::within(
            "max_lost_attempts",
            count(self.max_lost_attempts),
            Bound::Least(count(1)),
            Bound::Most(count(u32::MAX)),
        )?;
        let two_beats = Millis(self.heartbeat_interval.0.saturating_mul(2));
        for (member, value, least) in [
            ("install_timeout", self.install_timeout, Bound::Least(time(SECOND))),
            ("grace_period", self.grace_period, Bound::Least(time(Millis(0)))),
            ("retention", self.retention, Bound::Least(time(Millis(0)))),
            ("retry_backoff", self.retry_backoff, Bound::Least(time(Millis(0)))),
            ("heartbeat_interval", self.heartbeat_interval, Bound::Least(time(Millis(1)))),
            ("worker_timeout", self.worker_timeout, Bound::Least(time(SECOND))),
            ("unreachable_after", self.unreachable_after, Bound::Above("twice heartbeat", time(two_beats))),
            ("worker_timeout", self.worker_timeout, Bound::Above("unreachable_after", time(self.unreachable_after))),
            ("orphan_timeout", self.orphan_timeout, Bound::Above("heartbeat_interval", time(self.heartbeat_interval))),
            ("lease_ttl", self.lease_ttl, Bound::Least(time(SECOND))),
        ] {
            Self::within(member, time(value), least, most_time)?;
        }
        Ok(())
    }

    fn within(member: &'static str, value: Amount, least: Bound, most: Bound) -> Result<(), InvalidLimit> {
        let broken = [least, most].into_iter().find(|bound| !bound.allows(value));
        broken.map_or(Ok(()), |bound| Err(InvalidLimit { member, value, bound }))
    }
}

/// A member of [`Limits`] that is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member} of the limits is {value} and must be {bound}")]
#[non_exhaustive]
pub struct InvalidLimit {
    /// The name of the member.
    pub member: &'static str,
    /// What it is.
    pub value: Amount,
    /// What it must be.
    pub bound: Bound,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Amount {
    /// A number of things.
    Count(u64),
    /// A length.
    Bytes(u64),
    /// A duration.
    Time(Millis),
}

/// What a limit must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// That or more.
    Least(Amount),
    /// That or less.
    Most(Amount),
    /// As much as another member or more: its name, and what it is.
    Above(&'static str, Amount),
}

impl Bound {
    fn allows(self, value: Amount) -> bool {
        match self {
            Self::Least(least) | Self::Above(_, least) => value >= least,
            Self::Most(most) => value <= most,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Least(least) => write!(f, "at least {least}"),
            Self::Most(most) => write!(f, "at most {most}"),
            Self::Above(other, least) => write!(f, "at least {other} ({least})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong limit, and what is said of it.
    type Case = (fn(&mut Limits), &'static str);

    #[test]
    fn every_limit_is_checked_and_named_with_its_bound() {
        let cases: [Case; 18] = [
            (|limits| limits.slots = 0, "slots of the limits is 0 and must be at least 1"),
            (|limits| limits.slots = 1025, "slots of the limits is 1025 and must be at most 1024"),
            (|limits| limits.max_input = 0, "max_input of the limits is 0 bytes and must be at least 1 bytes"),
            (|limits| limits.max_input = usize::MAX, "max_input"),
            (|limits| limits.max_payload = 0, "max_payload"),
            (|limits| limits.max_payload = 1 << 30, "max_payload"),
            (
                |limits| limits.output_cap = 1000,
                "output_cap of the limits is 1000 bytes and must be at least 65536 bytes",
            ),
            (|limits| limits.output_cap = u64::MAX, "output_cap"),
            (|limits| limits.max_lost_attempts = 0, "max_lost_attempts"),
            (|limits| limits.install_timeout = Millis(0), "install_timeout"),
            (|limits| limits.grace_period = Millis(u64::MAX), "grace_period"),
            (|limits| limits.heartbeat_interval = Millis(0), "heartbeat_interval"),
            (|limits| limits.heartbeat_interval = Millis(u64::MAX), "heartbeat_interval"),
            (
                |limits| limits.worker_timeout = Millis(50),
                "worker_timeout of the limits is 50 ms and must be at least 1 s",
            ),
            (
                |limits| limits.worker_timeout = Millis::from_secs(10),
                "worker_timeout of the limits is 10 s and must be at least unreachable_after (15 s)",
            ),
            (
                |limits| limits.unreachable_after = Millis::from_secs(9),
                "unreachable_after of the limits is 9 s and must be at least twice heartbeat (10 s)",
            ),
            (|limits| limits.orphan_timeout = Millis(0), "orphan_timeout"),
            (|limits| limits.lease_ttl = Millis(10), "lease_ttl of the limits is 10 ms and must be at least 1 s"),
        ];
        for (spoil, expected) in cases {
            let mut limits = Limits::default();
            limits.check().unwrap();
            spoil(&mut limits);
            let said = limits.check().unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
