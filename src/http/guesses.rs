//! Who sent wrong tokens lately. In memory: a restart forgets it, and a restart is slow enough.
//!
//! It bears on wrong tokens only. A right one is taken from everywhere: who shares an address with a guesser
//! (a proxy, an office) must not be shut out by it, least of all in the hours when someone guesses. What
//! keeps guessers out is that no token is short.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::clock::{self, Timestamp};

/// So many wrong tokens from one place, and it is told to wait.
const MOST: u32 = 10;
/// From the first wrong one on.
const PAUSE: Duration = Duration::from_secs(300);
/// Places that are remembered.
const PLACES: usize = 4096;

#[derive(Debug, Default)]
pub struct Guesses {
    places: HashMap<Option<IpAddr>, (Timestamp, u32)>,
}

impl Guesses {
    /// For how many seconds more another wrong one from there is too many.
    pub fn blocked(&mut self, peer: Option<IpAddr>, now: Timestamp) -> Option<u64> {
        // One that came when there was no place left is counted with all others like it.
        let full = self.places.len() >= PLACES;
        let (since, count) = *self.places.get(&place(peer)).or_else(|| self.places.get(&None).filter(|_| full))?;
        let over = clock::plus(since, PAUSE);
        (count >= MOST && now < over).then(|| clock::since(now, over).as_secs().max(1))
    }

    /// True if this was one too many.
    pub fn wrong(&mut self, peer: Option<IpAddr>, now: Timestamp) -> bool {
        if self.places.len() >= PLACES {
            self.places.retain(|_, (since, _)| now < clock::plus(*since, PAUSE));
        }
        // Whoever has so many addresses gets no more guesses by having more of them.
        let place = if self.places.len() < PLACES { place(peer) } else { None };
        let entry = self.places.entry(place).or_insert((now, 0));
        if now >= clock::plus(entry.0, PAUSE) {
            *entry = (now, 0);
        }
        entry.1 += 1;
        entry.1 == MOST
    }
}

/// A network of IPv6 belongs to one party as a rule.
pub(super) fn place(peer: Option<IpAddr>) -> Option<IpAddr> {
    peer.map(|peer| match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    })
}
