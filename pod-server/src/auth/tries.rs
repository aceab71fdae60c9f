//! Wrong tokens, counted by where they come from: who guesses is slowed down.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So many wrong ones within the span are heard; then the address waits.
const MOST: usize = 10;
/// See [`MOST`].
const SPAN: Duration = Duration::from_secs(60);
/// Of so many addresses at most: beyond that, the one that tried longest ago is forgotten.
const ADDRESSES: usize = 4096;

/// Who tried wrong tokens lately.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<IpAddr, VecDeque<Instant>>>);

impl Tries {
    /// How long an address has to wait until it may try again; nothing where it may now.
    pub(super) fn wait(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wait(tries.get(&network(from))?, now)
    }

    /// That a wrong token came. How long its address has to wait for that, where it is one too many, which does not
    /// count itself: who goes on is not kept away for ever.
    pub(super) fn wrong(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let network = network(from);
        if tries.len() >= ADDRESSES && !tries.contains_key(&network) {
            let longest_ago = tries.iter().min_by_key(|(_, times)| times.back().copied()).map(|(address, _)| *address);
            longest_ago.and_then(|address| tries.remove(&address));
        }
        let times = tries.entry(network).or_default();
        let wait = wait(times, now);
        if wait.is_none() {
            times.push_back(now);
            if times.len() > MOST {
                times.pop_front();
            }
        }
        wait
    }
}

fn wait(times: &VecDeque<Instant>, now: Instant) -> Option<Duration> {
    let first = times.get(times.len().checked_sub(MOST)?)?;
    SPAN.checked_sub(now.duration_since(*first)).filter(|wait| !wait.is_zero())
}

/// What one person has of addresses: with IPv6 a whole network.
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
        let (tries, begun) = (Tries::default(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        for second in 0..10 {
            assert_eq!(tries.wait(one, at(second)), None);
            assert_eq!(tries.wrong(one, at(second)), None, "the {second}th");
        }
        assert_eq!(tries.wrong(one, at(20)), Some(Duration::from_secs(40)));
        assert_eq!(tries.wait(one, at(20)), Some(Duration::from_secs(40)));
        assert_eq!(tries.wrong(other, at(20)), None, "another address is another one");
        // The first is forgotten after a minute: one more is heard, and no second one.
        assert_eq!(tries.wait(one, at(60)), None);
        assert_eq!(tries.wrong(one, at(60)), None);
        assert_eq!(tries.wrong(one, at(60)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_network_counts_as_one_and_memory_is_bounded() {
        let (tries, now) = (Tries::default(), Instant::now());
        for n in 0..=MOST {
            let from: IpAddr = format!("2001:db8:1:2::{n:x}").parse().unwrap();
            assert_eq!(tries.wrong(from, now).is_some(), n == MOST);
        }
        for n in 0..2 * ADDRESSES {
            let n = u32::try_from(n).unwrap();
            tries.wrong(IpAddr::from(n.to_be_bytes()), now);
        }
        assert_eq!(tries.0.lock().unwrap().len(), ADDRESSES);
    }
}
