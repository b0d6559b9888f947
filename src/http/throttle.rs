//! How much strangers may post: each place alone, and all of them together.

use std::{collections::HashMap, net::IpAddr, sync::Mutex};

use super::guesses::place;
use crate::clock::{self, Timestamp};

/// Far more than SMN posts of one audit log, and little work if every one of them is forged.
const OF_ONE: Rate = Rate { per_second: 50.0, burst: 200.0 };
const OF_ALL: Rate = Rate { per_second: 200.0, burst: 1000.0 };
/// Places that are remembered.
const PLACES: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: f64,
    burst: f64,
}

/// What is left of a burst.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

#[derive(Debug, Default)]
pub struct Throttle(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    all: Option<Bucket>,
    places: HashMap<Option<IpAddr>, Bucket>,
}

impl Throttle {
    pub fn lets_in(&self, peer: Option<IpAddr>, now: Timestamp) -> bool {
        let mut buckets = self.0.lock().expect("nothing panics while it is held");
        if buckets.places.len() >= PLACES {
            // A full bucket is as good as none.
            buckets.places.retain(|_, bucket| bucket.filled(OF_ONE, now).left < OF_ONE.burst);
        }
        let place = if buckets.places.len() < PLACES { place(peer) } else { None };
        let one = buckets.places.entry(place).or_insert(Bucket { left: OF_ONE.burst, at: now });
        // Who is over the limit does not use up what others may post.
        one.draw(OF_ONE, now) && buckets.all.get_or_insert(Bucket { left: OF_ALL.burst, at: now }).draw(OF_ALL, now)
    }
}

impl Bucket {
    fn filled(self, rate: Rate, now: Timestamp) -> Self {
        let more = clock::since(self.at, now).as_secs_f64() * rate.per_second;
        Self { left: (self.left + more).min(rate.burst), at: now }
    }

    fn draw(&mut self, rate: Rate, now: Timestamp) -> bool {
        *self = self.filled(rate, now);
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_cannot_use_up_what_all_may_post() {
        let (throttle, at) = (Throttle::default(), |second| Timestamp::from_second(second).unwrap());
        let flood = |peer: &str, times: usize, second| {
            (0..times).filter(|_| throttle.lets_in(peer.parse().ok(), at(second))).count()
        };
        assert_eq!(flood("203.0.113.7", 5000, 0), 200);
        assert_eq!(flood("203.0.113.8", 5000, 0), 200, "another place has its own");
        assert_eq!(flood("203.0.113.7", 5000, 2), 100);
        assert_eq!(flood("2001:db8::1", 150, 2) + flood("2001:db8::2", 150, 2), 200, "a network is one place");
        let many: usize = (0..50).map(|n| flood(&format!("198.51.100.{n}"), 100, 2)).sum();
        assert_eq!(many, 700, "what the four of before left of all");
        assert_eq!(flood("198.51.100.200", 10, 1), 0, "a clock that is set back gives nothing");
    }
}
