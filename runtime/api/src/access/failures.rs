//! How often addresses have come with keys that are not valid. A key can't be guessed: this
//! bounds what those who try cost, and never keeps out whoever has a valid one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

/// Failures of an address in a minute; what comes after is not looked at.
const FAILURES_MAX: u32 = 30;

const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are remembered. With more, those that began longest ago are forgotten.
const ADDRESSES_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Failures {
    by_address: Mutex<HashMap<IpAddr, Window>>,
}

struct Window {
    began: Instant,
    count: u32,
}

impl Failures {
    /// Notes one more.
    pub(super) fn note(&self, address: IpAddr, now: Instant) {
        let mut by_address = self.by_address.lock();
        let address = network(address);
        if by_address.len() >= ADDRESSES_MAX && !by_address.contains_key(&address) {
            by_address.retain(|_, window| now.duration_since(window.began) < WINDOW);
            if by_address.len() >= ADDRESSES_MAX {
                by_address.clear();
            }
        }
        let window = by_address.entry(address).or_insert(Window { began: now, count: 0 });
        if now.duration_since(window.began) >= WINDOW {
            *window = Window { began: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
    }

    /// Whether there were too many.
    pub(super) fn are_too_many(&self, address: IpAddr, now: Instant) -> bool {
        self.by_address.lock().get(&network(address)).is_some_and(|window| {
            window.count >= FAILURES_MAX && now.duration_since(window.began) < WINDOW
        })
    }
}

/// Who has an IPv6 address has a network of them.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_fails_so_often_and_is_looked_at_again_a_minute_later() {
        #[expect(clippy::disallowed_methods, reason = "the clock of the test")]
        let start = Instant::now();
        let failures = Failures::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        for _ in 0..FAILURES_MAX {
            assert!(!failures.are_too_many(one, start));
            failures.note(one, start);
        }
        assert!(failures.are_too_many(one, start));
        assert!(!failures.are_too_many(other, start));
        assert!(!failures.are_too_many(one, start + WINDOW));
        failures.note(one, start + WINDOW);
        assert!(!failures.are_too_many(one, start + WINDOW));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_addresses_are_remembered() {
        #[expect(clippy::disallowed_methods, reason = "the clock of the test")]
        let start = Instant::now();
        let failures = Failures::default();
        for number in 0..3 * ADDRESSES_MAX {
            let [_, a, b, c] = u32::try_from(number).expect("small").to_be_bytes();
            failures.note(IpAddr::from([10, a, b, c]), start);
        }
        assert!(failures.by_address.lock().len() <= ADDRESSES_MAX);
    }
}
