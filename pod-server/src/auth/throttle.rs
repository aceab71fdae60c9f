//! Throttles sign-ins by network: too many wrong tokens make an address wait.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures that a network may have within [`FAILURE_WINDOW`].
const MAX_FAILURES: usize = 10;
/// The sliding window in which failures count.
const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// How many networks are remembered. Beyond that, the one whose failure is oldest is forgotten.
const MAX_ADDRESSES: usize = 4096;

/// The times of recent failures by network.
#[derive(Debug, Default)]
pub(super) struct LoginThrottle(Mutex<HashMap<IpAddr, VecDeque<Instant>>>);

impl LoginThrottle {
    /// How long an address has to wait before its next try; `None` if it may try now.
    pub(super) fn retry_after(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        retry_after(throttle.get(&network(from))?, now)
    }

    /// Records a wrong token. Returns how long the address has to wait if it is over the limit; such a failure does not
    /// count itself, so that an address which goes on is not locked out for ever.
    pub(super) fn record_failure(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let mut throttle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let network = network(from);
        if throttle.len() >= MAX_ADDRESSES && !throttle.contains_key(&network) {
            let longest_ago =
                throttle.iter().min_by_key(|(_, times)| times.back().copied()).map(|(address, _)| *address);
            longest_ago.and_then(|address| throttle.remove(&address));
        }
        let times = throttle.entry(network).or_default();
        let wait = retry_after(times, now);
        if wait.is_none() {
            times.push_back(now);
            if times.len() > MAX_FAILURES {
                times.pop_front();
            }
        }
        wait
    }
}

fn retry_after(times: &VecDeque<Instant>, now: Instant) -> Option<Duration> {
    let first = times.get(times.len().checked_sub(MAX_FAILURES)?)?;
    FAILURE_WINDOW.checked_sub(now.duration_since(*first)).filter(|wait| !wait.is_zero())
}

/// The network of an address, which counts as one client: with IPv6 a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_ones_in_a_minute_are_heard() {
        let (throttle, begun) = (LoginThrottle::default(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        for second in 0..10 {
            assert_eq!(throttle.retry_after(one, at(second)), None);
            assert_eq!(throttle.record_failure(one, at(second)), None, "the {second}th");
        }
        assert_eq!(throttle.record_failure(one, at(20)), Some(Duration::from_secs(40)));
        assert_eq!(throttle.retry_after(one, at(20)), Some(Duration::from_secs(40)));
        assert_eq!(throttle.record_failure(other, at(20)), None, "another address is another one");
        // The first is forgotten after a minute: one more is heard, and no second one.
        assert_eq!(throttle.retry_after(one, at(60)), None);
        assert_eq!(throttle.record_failure(one, at(60)), None);
        assert_eq!(throttle.record_failure(one, at(60)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_network_counts_as_one_and_memory_is_bounded() {
        let (throttle, now) = (LoginThrottle::default(), Instant::now());
        for n in 0..=MAX_FAILURES {
            let from: IpAddr = format!("2001:db8:1:2::{n:x}").parse().unwrap();
            assert_eq!(throttle.record_failure(from, now).is_some(), n == MAX_FAILURES);
        }
        for n in 0..2 * MAX_ADDRESSES {
            let n = u32::try_from(n).unwrap();
            throttle.record_failure(IpAddr::from(n.to_be_bytes()), now);
        }
        assert_eq!(throttle.0.lock().unwrap().len(), MAX_ADDRESSES);
    }
}
