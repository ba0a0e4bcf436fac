//! Who is connected: how many may be, who has to go, and how to reach them all.
//!
//! ```text
//!           admit()              take_seat()             join()
//! accepted ────────▶ waiting ──────────────▶ seated ───────────▶ joined
//!     │ at capacity     │ 256 others wait   │ place needed │ same nonce again
//!     ▼                 ▼                   ▼              ▼
//!  refused           dismissed           dismissed      dismissed
//! ```
//!
//! A place ("seat") is taken when the server answers a client's preamble. While all are taken the answer is held back
//! until HELLO shows whether this is a client that takes the place of its own lost connection, or of one that has a place
//! and says nothing.
//!
//! One mutex guards it all; nothing that can wait is done under it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trill_proto::limits::MAX_WAITING;

use crate::capacity::Capacity;
use crate::link::{Dismissal, Link};
use crate::network::Network;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Clients.
    pub(crate) max_clients: usize,
    /// Clients from one address.
    max_per_address: usize,
    /// Whether clients on this machine count, too.
    limits_loopback: bool,
    /// Connections that have not said HELLO.
    max_waiting: usize,
    /// Connections of all kinds, those included that are about to end.
    max_members: usize,
}

impl Limits {
    /// The limits of a process with this `capacity`, if it should not have more clients than wanted, in all and from one
    /// address. Whoever wants a number of clients vouches that they do not all play different songs.
    pub(crate) fn new(capacity: Capacity, wanted: Option<NonZeroUsize>, per_address: Option<NonZeroUsize>) -> Self {
        let capacity = if wanted.is_some() { capacity.with_same_songs } else { capacity.with_own_songs };
        let max_waiting = MAX_WAITING.min(capacity / 4).max(1);
        let possible = capacity.saturating_sub(max_waiting).max(1);
        let max_clients = wanted.map_or(possible, |wanted| wanted.get().min(possible));
        // As many again may be on their way out.
        let max_members = capacity.min(max_clients + 2 * max_waiting);
        let max_per_address = per_address.map_or(DEFAULT_PER_ADDRESS.min(max_clients.div_ceil(2)), NonZeroUsize::get);
        let limits_loopback = per_address.is_some();
        Self { max_clients, max_per_address, limits_loopback, max_waiting, max_members }
    }
}

/// Clients from one address unless told otherwise, and not more than half of all: a house or an office, behind one address
/// for all its machines.
const DEFAULT_PER_ADDRESS: usize = 64;

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Registry {
    limits: Limits,
    state: Mutex<State>,
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// No connection is admitted any more.
    is_closed: bool,
    next_id: u64,
    members: HashMap<u64, Arc<Link>>,
    /// Those that have not said HELLO, oldest first.
    waiting: BTreeSet<u64>,
    /// Those that may say HELLO, or have.
    seated: HashSet<u64>,
    /// Where those come from that have said HELLO, and have a seat.
    joined: HashMap<u64, Network>,
    /// How many of them come from there.
    joined_from: HashMap<Network, usize>,
    /// Who said which nonce in its HELLO.
    nonces: HashMap<[u8; 16], u64>,
}

impl Registry {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), emptied: Condvar::new() }
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes up a connection, at the cost of the oldest silent one if there are too many of these. Gives the
    /// connection back when the server is full or shuts down.
    pub(crate) fn admit(self: &Arc<Self>, stream: TcpStream, from: IpAddr) -> Result<Membership, TcpStream> {
        let mut state = self.lock();
        if state.is_closed || state.members.len() >= self.limits.max_members {
            return Err(stream);
        }
        let crowded = if state.waiting.len() >= self.limits.max_waiting { state.waiting.pop_first() } else { None };
        let crowded = crowded.and_then(|oldest| state.unseat(oldest));
        let id = state.next_id;
        state.next_id += 1;
        let link = Arc::new(Link::new(stream));
        state.members.insert(id, Arc::clone(&link));
        state.waiting.insert(id);
        drop(state);
        if let Some(crowded) = crowded {
            crowded.dismiss(Dismissal::Crowded);
        }
        Ok(Membership { registry: Arc::clone(self), id, from: Network::of(from), nonce: None, link })
    }

    /// Admits nobody any more, and tells everybody to go.
    pub(crate) fn dismiss_all(&self) {
        for link in self.close() {
            link.dismiss(Dismissal::Restarting);
        }
    }

    /// Breaks off every connection that is left.
    pub(crate) fn cut_all(&self) {
        for link in self.close() {
            link.cut();
        }
    }

    /// Waits until nobody is connected, at most for `patience`. Returns whether that is so.
    pub(crate) fn wait_until_empty(&self, patience: Duration) -> bool {
        let waited = self.emptied.wait_timeout_while(self.lock(), patience, |state| !state.members.is_empty());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.members.is_empty()
    }

    fn close(&self) -> Vec<Arc<Link>> {
        let mut state = self.lock();
        state.is_closed = true;
        state.members.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives the member's seat to somebody else.
    fn unseat(&mut self, id: u64) -> Option<Arc<Link>> {
        self.give_up_seat(id);
        self.members.get(&id).cloned()
    }

    /// Frees the seat of whoever has had one for the longest without saying HELLO.
    fn unseat_oldest_silent(&mut self) -> Option<Arc<Link>> {
        let silent = self.waiting.iter().copied().find(|id| self.seated.contains(id))?;
        self.waiting.remove(&silent);
        self.unseat(silent)
    }

    fn seat(&mut self, id: u64, max_clients: usize) -> bool {
        if self.seated.len() < max_clients {
            self.seated.insert(id);
        }
        self.seated.contains(&id)
    }

    fn join(&mut self, id: u64, from: Network) {
        self.waiting.remove(&id);
        if self.joined.insert(id, from).is_none() {
            *self.joined_from.entry(from).or_default() += 1;
        }
    }

    fn give_up_seat(&mut self, id: u64) {
        self.seated.remove(&id);
        let Some(from) = self.joined.remove(&id) else { return };
        if let Entry::Occupied(mut count) = self.joined_from.entry(from) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Clients from there, not counting one that is about to go.
    fn joined_from(&self, from: Network, without: Option<u64>) -> usize {
        let goes = without.is_some_and(|id| self.joined.get(&id) == Some(&from));
        self.joined_from.get(&from).copied().unwrap_or(0) - usize::from(goes)
    }
}

/// Why a client that has said HELLO cannot stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All places are taken.
    Full,
    /// As many clients as are allowed from one address, this many, come from this one.
    TooManyFromThere(usize),
    /// Its place, or that of its client, has been given to another meanwhile.
    Dismissed(Dismissal),
}

/// One connection's entry. Dropping it, in a panic too, removes it.
#[derive(Debug)]
pub(crate) struct Membership {
    registry: Arc<Registry>,
    id: u64,
    from: Network,
    nonce: Option<[u8; 16]>,
    link: Arc<Link>,
}

impl Membership {
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// Where the client comes from.
    pub(crate) const fn network(&self) -> Network {
        self.from
    }

    pub(crate) const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Takes a place for a client whose preamble is good. Returns whether there is one.
    pub(crate) fn take_seat(&self) -> bool {
        self.registry.lock().seat(self.id, self.registry.limits.max_clients)
    }

    /// Takes up a client that has said HELLO, in the place of an older connection with the same nonce, or if need be of
    /// one that has a place and has not said HELLO. A nonce of zeros names nobody.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(crate) fn join(&mut self, nonce: [u8; 16]) -> Result<(), NoPlace> {
        let Limits { max_clients, max_per_address, limits_loopback, .. } = self.registry.limits;
        let mut state = self.registry.lock();
        if !state.waiting.contains(&self.id) {
            return Err(NoPlace::Dismissed(Dismissal::Crowded));
        }
        let same = state.nonces.get(&nonce).copied();
        // Ids are in the order of accepting, so of connecting; the HELLOs of two connections may come in any order.
        if same.is_some_and(|same| same > self.id) {
            return Err(NoPlace::Dismissed(Dismissal::Superseded));
        }
        let is_limited = limits_loopback || !self.from.is_loopback();
        if is_limited && state.joined_from(self.from, same) >= max_per_address {
            return Err(NoPlace::TooManyFromThere(max_per_address));
        }
        let older = same.and_then(|older| state.unseat(older));
        let is_full = !state.seat(self.id, max_clients);
        let silent = if is_full { state.unseat_oldest_silent() } else { None };
        let has_joined = state.seat(self.id, max_clients);
        if has_joined {
            state.join(self.id, self.from);
            if nonce != [0; 16] {
                state.nonces.insert(nonce, self.id);
                self.nonce = Some(nonce);
            }
        }
        drop(state);
        if let Some(older) = older {
            older.dismiss(Dismissal::Superseded);
        }
        if let Some(silent) = silent {
            silent.dismiss(Dismissal::Crowded);
        }
        if has_joined { Ok(()) } else { Err(NoPlace::Full) }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.registry.lock();
        state.members.remove(&self.id);
        state.waiting.remove(&self.id);
        state.give_up_seat(self.id);
        if let Some(nonce) = self.nonce
            && state.nonces.get(&nonce) == Some(&self.id)
        {
            state.nonces.remove(&nonce);
        }
        if state.members.is_empty() {
            self.registry.emptied.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn registry(max_clients: usize, max_waiting: usize) -> Arc<Registry> {
        let max_members = max_clients + 2 * max_waiting;
        let (max_per_address, limits_loopback) = (usize::MAX, false);
        Arc::new(Registry::new(Limits { max_clients, max_per_address, limits_loopback, max_waiting, max_members }))
    }

    /// A connection's two ends: the server's, the client's.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    fn admit(registry: &Arc<Registry>) -> Membership {
        admit_from(registry, "192.0.2.1")
    }

    fn admit_from(registry: &Arc<Registry>, address: &str) -> Membership {
        registry.admit(connection().0, address.parse().unwrap()).expect("room")
    }

    #[test]
    fn limits_follow_what_the_system_can_hold() {
        let capacity = |count| Capacity { with_own_songs: count, with_same_songs: count };
        let clients = |count, wanted| Limits::new(capacity(count), NonZeroUsize::new(wanted), None).max_clients;
        assert_eq!(clients(15_382, 0), 15_126);
        assert_eq!(clients(15_382, 100), 100);
        assert_eq!(clients(15_382, 1_000_000), 15_126);
        assert_eq!(clients(1, 0), 1);
        let limits = Limits::new(capacity(100), None, None);
        assert_eq!((limits.max_clients, limits.max_waiting, limits.max_members), (75, 25, 100));
    }

    #[test]
    fn more_clients_than_can_have_songs_of_their_own_are_taken_only_if_that_is_wanted() {
        let capacity = Capacity { with_own_songs: 300, with_same_songs: 900 };
        let clients = |wanted| Limits::new(capacity, NonZeroUsize::new(wanted), None).max_clients;
        assert_eq!((clients(0), clients(200), clients(400), clients(1_000)), (225, 200, 400, 675));
    }

    #[test]
    fn one_address_does_not_get_all_places_by_default_unless_it_is_this_machine() {
        let capacity = |count| Capacity { with_own_songs: count, with_same_songs: count };
        let per_address = |count| Limits::new(capacity(count), None, None).max_per_address;
        assert_eq!((per_address(10_000), per_address(100), per_address(1)), (64, 38, 1));
        let joined_from = |address, per_address| {
            let registry = Arc::new(Registry::new(Limits::new(capacity(20), None, NonZeroUsize::new(per_address))));
            let join = |_| {
                let mut member = admit_from(&registry, address);
                member.join([0; 16]).is_ok().then_some(member)
            };
            (0..15).filter_map(join).collect::<Vec<_>>().len()
        };
        assert_eq!((joined_from("192.0.2.1", 0), joined_from("127.0.0.1", 0)), (8, 15));
        assert_eq!((joined_from("192.0.2.1", 9), joined_from("127.0.0.1", 9)), (9, 9));
    }

    #[test]
    fn a_seat_is_free_again_when_its_connection_ends() {
        let registry = registry(1, 4);
        let (first, second) = (admit(&registry), admit(&registry));
        assert!(first.take_seat() && first.take_seat());
        assert!(!second.take_seat());
        drop(first);
        assert!(second.take_seat());
    }

    #[test]
    fn a_client_takes_the_place_of_its_own_older_connection_even_in_a_full_house() {
        let registry = registry(1, 4);
        let (mut old, mut new, mut other) = (admit(&registry), admit(&registry), admit(&registry));
        assert!(old.join([7; 16]).is_ok());
        assert_eq!(other.join([8; 16]), Err(NoPlace::Full));
        assert!(new.join([7; 16]).is_ok());
        assert_eq!(old.link().dismissal(), Some(Dismissal::Superseded));
        assert_eq!(new.link().dismissal(), None);
        drop(old);
        let mut third = admit(&registry);
        assert!(third.join([7; 16]).is_ok(), "the nonce still belongs to the new connection");
        assert_eq!(new.link().dismissal(), Some(Dismissal::Superseded));
    }

    #[test]
    fn a_hello_that_comes_late_does_not_supersede_a_newer_connection() {
        let registry = registry(4, 4);
        let (mut old, mut new) = (admit(&registry), admit(&registry));
        assert!(new.join([7; 16]).is_ok());
        assert_eq!(old.join([7; 16]), Err(NoPlace::Dismissed(Dismissal::Superseded)));
        assert_eq!(new.link().dismissal(), None);
        drop(old);
        let mut third = admit(&registry);
        assert!(third.join([7; 16]).is_ok());
        assert_eq!(new.link().dismissal(), Some(Dismissal::Superseded));
    }

    #[test]
    fn clients_of_one_address_take_no_place_from_those_of_another() {
        let (max_per_address, limits_loopback) = (2, false);
        let limits = Limits { max_clients: 9, max_per_address, limits_loopback, max_waiting: 9, max_members: 9 };
        let registry = Arc::new(Registry::new(limits));
        let join = |address, nonce| {
            let mut member = admit_from(&registry, address);
            member.join([nonce; 16]).map(|()| member)
        };
        let (_first, second) = (join("10.0.0.1", 1).unwrap(), join("10.0.0.1", 2).unwrap());
        // By way of a socket for IPv6 it is the same address.
        assert_eq!(join("::ffff:10.0.0.1", 3).unwrap_err(), NoPlace::TooManyFromThere(2));
        let _others = ["10.0.0.2", "2001:db8:1::1", "2001:db8:2::1"].map(|other| join(other, 0).unwrap());

        // Whoever comes back is no third, not even while what is left of it has not gone.
        let again = join("10.0.0.1", 2).unwrap();
        assert_eq!(second.link().dismissal(), Some(Dismissal::Superseded));
        assert_eq!(join("10.0.0.1", 4).unwrap_err(), NoPlace::TooManyFromThere(2));
        drop(second);
        assert_eq!(join("10.0.0.1", 4).unwrap_err(), NoPlace::TooManyFromThere(2));
        drop(again);
        let fourth = join("10.0.0.1", 4).unwrap();

        // One that is refused takes nobody's place, not even its own elsewhere.
        let elsewhere = join("10.0.0.2", 5).unwrap();
        assert_eq!(join("10.0.0.1", 5).unwrap_err(), NoPlace::TooManyFromThere(2));
        assert_eq!((elsewhere.link().dismissal(), fourth.link().dismissal()), (None, None));
    }

    #[test]
    fn a_nonce_of_zeros_names_nobody() {
        let registry = registry(2, 4);
        let (mut first, mut second) = (admit(&registry), admit(&registry));
        assert!(first.join([0; 16]).is_ok() && second.join([0; 16]).is_ok());
        assert_eq!(first.link().dismissal(), None);
    }

    #[test]
    fn the_oldest_that_says_nothing_makes_room() {
        let registry = registry(8, 2);
        let mut joined = admit(&registry);
        assert!(joined.join([1; 16]).is_ok());
        let (oldest, newer) = (admit(&registry), admit(&registry));
        let newest = admit(&registry);
        assert_eq!(oldest.link().dismissal(), Some(Dismissal::Crowded));
        for member in [&joined, &newer, &newest] {
            assert_eq!(member.link().dismissal(), None);
        }
    }

    #[test]
    fn in_a_full_house_those_that_say_nothing_make_room_for_those_who_say_hello() {
        let registry = registry(2, 8);
        let (mut silent, mut newer) = (admit(&registry), admit(&registry));
        assert!(silent.take_seat() && newer.take_seat());
        let (mut first, mut second) = (admit(&registry), admit(&registry));
        assert!(!first.take_seat());
        assert!(first.join([1; 16]).is_ok());
        assert_eq!((silent.link().dismissal(), newer.link().dismissal()), (Some(Dismissal::Crowded), None));
        assert_eq!(silent.join([2; 16]), Err(NoPlace::Dismissed(Dismissal::Crowded)), "too late");
        assert!(newer.join([3; 16]).is_ok());
        assert_eq!(second.join([4; 16]), Err(NoPlace::Full), "nobody who has said HELLO goes");
        assert_eq!((first.link().dismissal(), newer.link().dismissal()), (None, None));
    }

    #[test]
    fn connections_that_are_slow_to_go_count() {
        let registry = registry(1, 1);
        let members = [admit(&registry), admit(&registry), admit(&registry)];
        assert!(registry.admit(connection().0, HERE).is_err());
        drop(members);
        assert!(registry.admit(connection().0, HERE).is_ok());
    }

    #[test]
    fn a_dismissal_wakes_a_reader() {
        let registry = registry(1, 1);
        let (stream, _client) = connection();
        let member = registry.admit(stream, HERE).expect("room");
        let link = Arc::clone(member.link());
        let reader = thread::spawn(move || link.stream().read(&mut [0; 8]).unwrap());
        registry.dismiss_all();
        assert_eq!(reader.join().unwrap(), 0);
        assert_eq!(member.link().dismissal(), Some(Dismissal::Restarting));
        assert!(registry.admit(connection().0, HERE).is_err(), "the server shuts down");
        assert!(!registry.wait_until_empty(Duration::ZERO));
        drop(member);
        assert!(registry.wait_until_empty(Duration::ZERO));
    }

    #[test]
    fn a_thread_that_panics_leaves_no_entry() {
        let registry = registry(1, 1);
        let member = admit(&registry);
        let panicked = thread::spawn(move || {
            assert!(member.take_seat());
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(registry.wait_until_empty(Duration::ZERO));
        assert!(admit(&registry).take_seat());
    }
}
