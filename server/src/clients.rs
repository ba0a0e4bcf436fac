//! The clients: which connections there are, which of them must close, and how to reach them all.
//!
//! ```text
//!          register()           take_slot()            activate()
//! accepted ──────────▶ waiting ─────────────▶ slot ───────────────▶ active
//!     │ at capacity       │ 256 others wait    │ slot needed          │ same nonce again
//!     ▼                   ▼                    ▼                      ▼
//!  refused              closed               closed                closed
//! ```
//!
//! A connection takes a slot when the server answers its preamble. While all slots are taken the server delays that answer
//! until HELLO: the client may replace its own lost connection, or one that has a slot and has not sent HELLO.
//!
//! One mutex guards everything. Nothing blocks while it is locked.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::address::Network;
use crate::capacity::Limits;
use crate::close::CloseReason;

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Clients {
    limits: Limits,
    table: Mutex<ConnectionTable>,
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct ConnectionTable {
    /// No further connection is registered.
    is_closed: bool,
    next_id: u64,
    connections: HashMap<u64, Registered>,
    /// Connections that have not sent HELLO, oldest first.
    waiting: BTreeSet<u64>,
    slots_taken: usize,
    /// Number of active clients in each network.
    active_in: HashMap<Network, usize>,
    /// The connection of each nonce in a HELLO.
    nonces: HashMap<[u8; 16], u64>,
}

#[derive(Debug)]
struct Registered {
    handle: Arc<ClientHandle>,
    network: Network,
    has_slot: bool,
    /// Has sent HELLO and has a slot.
    is_active: bool,
}

/// A connection that any thread can close.
#[derive(Debug)]
pub(crate) struct ClientHandle {
    stream: TcpStream,
    close_reason: OnceLock<CloseReason>,
}

impl ClientHandle {
    const fn new(stream: TcpStream) -> Self {
        Self { stream, close_reason: OnceLock::new() }
    }

    pub(crate) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Tells the connection's thread to close it. The first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        if self.close_reason.set(reason).is_ok() {
            // Wakes a thread that waits for input. Fails only if the connection is gone.
            let _ = self.stream.shutdown(Shutdown::Read);
        }
    }

    /// Why the connection must close, if it must.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.close_reason.get().copied()
    }

    /// Shuts the socket down, whatever its thread is doing with it.
    fn abort(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Clients {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, table: Mutex::default(), emptied: Condvar::new() }
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Registers a connection. Closes the oldest waiting one if too many wait. Returns the stream if the server is full or
    /// shuts down.
    pub(crate) fn register(self: &Arc<Self>, stream: TcpStream, address: IpAddr) -> Result<ClientEntry, TcpStream> {
        let network = Network::of(address);
        let mut table = self.lock();
        if table.is_closed || table.connections.len() >= self.limits.max_connections {
            return Err(stream);
        }
        let oldest = if table.waiting.len() >= self.limits.max_waiting { table.waiting.pop_first() } else { None };
        let oldest = oldest.and_then(|oldest| table.release_slot(oldest));
        let id = table.next_id;
        table.next_id += 1;
        let handle = Arc::new(ClientHandle::new(stream));
        let connection = Registered { handle: Arc::clone(&handle), network, has_slot: false, is_active: false };
        table.connections.insert(id, connection);
        table.waiting.insert(id);
        drop(table);
        if let Some(oldest) = oldest {
            oldest.close(CloseReason::NoHello);
        }
        Ok(ClientEntry { clients: Arc::clone(self), id, network, nonce: None, handle })
    }

    /// Registers no further connection, and tells all to close.
    pub(crate) fn close_all(&self) {
        for handle in self.stop_registering() {
            handle.close(CloseReason::ShuttingDown);
        }
    }

    /// Aborts every connection that is left.
    pub(crate) fn abort_all(&self) {
        for handle in self.stop_registering() {
            handle.abort();
        }
    }

    /// Waits until no connection is left, at most for `timeout`. Returns whether none is.
    pub(crate) fn wait_until_empty(&self, timeout: Duration) -> bool {
        let waited = self.emptied.wait_timeout_while(self.lock(), timeout, |table| !table.connections.is_empty());
        let (table, _) = waited.unwrap_or_else(PoisonError::into_inner);
        table.connections.is_empty()
    }

    fn stop_registering(&self) -> Vec<Arc<ClientHandle>> {
        let mut table = self.lock();
        table.is_closed = true;
        table.connections.values().map(|connection| Arc::clone(&connection.handle)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionTable> {
        // Every change is complete before anything can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionTable {
    /// Gives the connection a slot if there is one. Returns whether it has one.
    fn take_slot(&mut self, id: u64, max_clients: usize) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        if !connection.has_slot && self.slots_taken < max_clients {
            connection.has_slot = true;
            self.slots_taken += 1;
        }
        connection.has_slot
    }

    /// Takes the connection's slot away.
    fn release_slot(&mut self, id: u64) -> Option<Arc<ClientHandle>> {
        let connection = self.connections.get_mut(&id)?;
        self.slots_taken -= usize::from(std::mem::take(&mut connection.has_slot));
        if std::mem::take(&mut connection.is_active)
            && let Some(count) = self.active_in.get_mut(&connection.network)
        {
            *count -= 1;
            if *count == 0 {
                self.active_in.remove(&connection.network);
            }
        }
        Some(Arc::clone(&connection.handle))
    }

    /// Takes the slot of the oldest connection that has one and has not sent HELLO.
    fn release_oldest_waiting_slot(&mut self) -> Option<Arc<ClientHandle>> {
        let has_slot = |id: &u64| self.connections.get(id).is_some_and(|connection| connection.has_slot);
        let oldest = self.waiting.iter().copied().find(has_slot)?;
        self.waiting.remove(&oldest);
        self.release_slot(oldest)
    }

    fn activate(&mut self, id: u64) {
        self.waiting.remove(&id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.is_active = true;
        *self.active_in.entry(connection.network).or_default() += 1;
    }

    /// Number of active clients in a network, without the one that is about to be replaced.
    fn active_in(&self, network: Network, replaced: Option<u64>) -> usize {
        let replaced = replaced.and_then(|id| self.connections.get(&id));
        let is_replaced = replaced.is_some_and(|replaced| replaced.is_active && replaced.network == network);
        self.active_in.get(&network).copied().unwrap_or(0) - usize::from(is_replaced)
    }
}

/// One connection's entry. Dropping it, in a panic too, removes it.
#[derive(Debug)]
pub(crate) struct ClientEntry {
    clients: Arc<Clients>,
    id: u64,
    network: Network,
    nonce: Option<[u8; 16]>,
    handle: Arc<ClientHandle>,
}

impl ClientEntry {
    /// Ids grow in the order in which connections were accepted.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn network(&self) -> Network {
        self.network
    }

    pub(crate) const fn handle(&self) -> &Arc<ClientHandle> {
        &self.handle
    }

    /// Takes a slot for a client whose preamble is valid. Returns whether the connection has one.
    pub(crate) fn take_slot(&self) -> bool {
        self.clients.lock().take_slot(self.id, self.clients.limits.max_clients)
    }

    /// Makes a client active that has sent HELLO. Closes the older connection with the same nonce; if all slots are taken,
    /// also the oldest connection that has a slot and has not sent HELLO. A nonce of zeros identifies nobody.
    ///
    /// # Errors
    /// [`CloseReason::Full`], [`CloseReason::TooManyFromAddress`]; [`CloseReason::NoHello`] or [`CloseReason::Superseded`] if
    /// another connection has taken the place meanwhile.
    pub(crate) fn activate(&mut self, nonce: [u8; 16]) -> Result<(), CloseReason> {
        let Limits { max_clients, max_per_address, limits_loopback, .. } = self.clients.limits;
        let mut table = self.clients.lock();
        if !table.waiting.contains(&self.id) {
            return Err(CloseReason::NoHello);
        }
        let same = table.nonces.get(&nonce).copied();
        // The HELLOs of two connections may arrive in any order.
        if same.is_some_and(|same| same > self.id) {
            return Err(CloseReason::Superseded);
        }
        let is_limited = limits_loopback || !self.network.is_loopback();
        if is_limited && table.active_in(self.network, same) >= max_per_address {
            return Err(CloseReason::TooManyFromAddress(max_per_address));
        }
        let older = same.and_then(|older| table.release_slot(older));
        let is_full = !table.take_slot(self.id, max_clients);
        let without_hello = if is_full { table.release_oldest_waiting_slot() } else { None };
        let has_slot = table.take_slot(self.id, max_clients);
        if has_slot {
            table.activate(self.id);
            if nonce != [0; 16] {
                table.nonces.insert(nonce, self.id);
                self.nonce = Some(nonce);
            }
        }
        drop(table);
        if let Some(older) = older {
            older.close(CloseReason::Superseded);
        }
        if let Some(without_hello) = without_hello {
            without_hello.close(CloseReason::NoHello);
        }
        if has_slot { Ok(()) } else { Err(CloseReason::Full) }
    }
}

impl Drop for ClientEntry {
    fn drop(&mut self) {
        let mut table = self.clients.lock();
        table.release_slot(self.id);
        table.connections.remove(&self.id);
        table.waiting.remove(&self.id);
        if let Some(nonce) = self.nonce
            && table.nonces.get(&nonce) == Some(&self.id)
        {
            table.nonces.remove(&nonce);
        }
        if table.connections.is_empty() {
            self.clients.emptied.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Capacity;
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};
    use std::num::NonZeroUsize;
    use std::thread;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn clients(max_clients: usize, max_waiting: usize) -> Arc<Clients> {
        let max_connections = max_clients + 2 * max_waiting;
        let (max_per_address, limits_loopback) = (usize::MAX, false);
        Arc::new(Clients::new(Limits { max_clients, max_per_address, limits_loopback, max_waiting, max_connections }))
    }

    /// A connection's two ends: the server's, the client's.
    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    fn register(clients: &Arc<Clients>) -> ClientEntry {
        register_from(clients, "192.0.2.1")
    }

    fn register_from(clients: &Arc<Clients>, address: &str) -> ClientEntry {
        clients.register(connection().0, address.parse().unwrap()).expect("room")
    }

    #[test]
    fn by_default_only_this_machine_may_take_all_slots() {
        let capacity = |count| Capacity { with_own_songs: count, with_same_songs: count };
        let per_address = |count| Limits::new(capacity(count), None, None).max_per_address;
        assert_eq!((per_address(10_000), per_address(100), per_address(1)), (64, 38, 1));
        let active_from = |address, per_address| {
            let clients = Arc::new(Clients::new(Limits::new(capacity(20), None, NonZeroUsize::new(per_address))));
            let activate = |_| {
                let mut entry = register_from(&clients, address);
                entry.activate([0; 16]).is_ok().then_some(entry)
            };
            (0..15).filter_map(activate).collect::<Vec<_>>().len()
        };
        assert_eq!((active_from("192.0.2.1", 0), active_from("127.0.0.1", 0)), (8, 15));
        assert_eq!((active_from("192.0.2.1", 9), active_from("127.0.0.1", 9)), (9, 9));
    }

    #[test]
    fn a_slot_is_free_again_when_its_connection_closes() {
        let clients = clients(1, 4);
        let (first, second) = (register(&clients), register(&clients));
        assert!(first.take_slot() && first.take_slot());
        assert!(!second.take_slot());
        drop(first);
        assert!(second.take_slot());
    }

    #[test]
    fn a_client_replaces_its_own_older_connection_even_on_a_full_server() {
        let clients = clients(1, 4);
        let (mut old, mut new, mut other) = (register(&clients), register(&clients), register(&clients));
        assert!(old.activate([7; 16]).is_ok());
        assert_eq!(other.activate([8; 16]), Err(CloseReason::Full));
        assert!(new.activate([7; 16]).is_ok());
        assert_eq!(old.handle().close_reason(), Some(CloseReason::Superseded));
        assert_eq!(new.handle().close_reason(), None);
        drop(old);
        let mut third = register(&clients);
        assert!(third.activate([7; 16]).is_ok(), "the nonce still belongs to the new connection");
        assert_eq!(new.handle().close_reason(), Some(CloseReason::Superseded));
    }

    #[test]
    fn a_late_hello_does_not_supersede_a_newer_connection() {
        let clients = clients(4, 4);
        let (mut old, mut new) = (register(&clients), register(&clients));
        assert!(new.activate([7; 16]).is_ok());
        assert_eq!(old.activate([7; 16]), Err(CloseReason::Superseded));
        assert_eq!(new.handle().close_reason(), None);
        drop(old);
        let mut third = register(&clients);
        assert!(third.activate([7; 16]).is_ok());
        assert_eq!(new.handle().close_reason(), Some(CloseReason::Superseded));
    }

    #[test]
    fn clients_of_one_address_take_no_slot_from_those_of_another() {
        let (max_per_address, limits_loopback) = (2, false);
        let limits = Limits { max_clients: 9, max_per_address, limits_loopback, max_waiting: 9, max_connections: 9 };
        let clients = Arc::new(Clients::new(limits));
        let activate = |address, nonce| {
            let mut entry = register_from(&clients, address);
            entry.activate([nonce; 16]).map(|()| entry)
        };
        let (_first, second) = (activate("10.0.0.1", 1).unwrap(), activate("10.0.0.1", 2).unwrap());
        // The same address on an IPv6 socket.
        assert_eq!(activate("::ffff:10.0.0.1", 3).unwrap_err(), CloseReason::TooManyFromAddress(2));
        let _others = ["10.0.0.2", "2001:db8:1::1", "2001:db8:2::1"].map(|other| activate(other, 0).unwrap());

        // A client that reconnects does not count twice while its old connection closes.
        let again = activate("10.0.0.1", 2).unwrap();
        assert_eq!(second.handle().close_reason(), Some(CloseReason::Superseded));
        assert_eq!(activate("10.0.0.1", 4).unwrap_err(), CloseReason::TooManyFromAddress(2));
        drop(second);
        assert_eq!(activate("10.0.0.1", 4).unwrap_err(), CloseReason::TooManyFromAddress(2));
        drop(again);
        let fourth = activate("10.0.0.1", 4).unwrap();

        // A refused client replaces no connection, not even its own in another network.
        let elsewhere = activate("10.0.0.2", 5).unwrap();
        assert_eq!(activate("10.0.0.1", 5).unwrap_err(), CloseReason::TooManyFromAddress(2));
        assert_eq!((elsewhere.handle().close_reason(), fourth.handle().close_reason()), (None, None));
    }

    #[test]
    fn a_nonce_of_zeros_identifies_nobody() {
        let clients = clients(2, 4);
        let (mut first, mut second) = (register(&clients), register(&clients));
        assert!(first.activate([0; 16]).is_ok() && second.activate([0; 16]).is_ok());
        assert_eq!(first.handle().close_reason(), None);
    }

    #[test]
    fn the_oldest_connection_without_hello_makes_room() {
        let clients = clients(8, 2);
        let mut joined = register(&clients);
        assert!(joined.activate([1; 16]).is_ok());
        let (oldest, newer) = (register(&clients), register(&clients));
        let newest = register(&clients);
        assert_eq!(oldest.handle().close_reason(), Some(CloseReason::NoHello));
        for entry in [&joined, &newer, &newest] {
            assert_eq!(entry.handle().close_reason(), None);
        }
    }

    #[test]
    fn on_a_full_server_slots_without_hello_go_to_clients_with_hello() {
        let clients = clients(2, 8);
        let (mut without_hello, mut newer) = (register(&clients), register(&clients));
        assert!(without_hello.take_slot() && newer.take_slot());
        let (mut first, mut second) = (register(&clients), register(&clients));
        assert!(!first.take_slot());
        assert!(first.activate([1; 16]).is_ok());
        assert_eq!(
            (without_hello.handle().close_reason(), newer.handle().close_reason()),
            (Some(CloseReason::NoHello), None)
        );
        assert_eq!(without_hello.activate([2; 16]), Err(CloseReason::NoHello), "too late");
        assert!(newer.activate([3; 16]).is_ok());
        assert_eq!(second.activate([4; 16]), Err(CloseReason::Full), "no active client loses its slot");
        assert_eq!((first.handle().close_reason(), newer.handle().close_reason()), (None, None));
    }

    #[test]
    fn connections_that_are_closing_count() {
        let clients = clients(1, 1);
        let entries = [register(&clients), register(&clients), register(&clients)];
        assert!(clients.register(connection().0, HERE).is_err());
        drop(entries);
        assert!(clients.register(connection().0, HERE).is_ok());
    }

    #[test]
    fn a_close_wakes_a_reader() {
        let clients = clients(1, 1);
        let (stream, _client) = connection();
        let entry = clients.register(stream, HERE).expect("room");
        let handle = Arc::clone(entry.handle());
        let reader = thread::spawn(move || handle.stream().read(&mut [0; 8]).unwrap());
        clients.close_all();
        assert_eq!(reader.join().unwrap(), 0);
        assert_eq!(entry.handle().close_reason(), Some(CloseReason::ShuttingDown));
        assert!(clients.register(connection().0, HERE).is_err(), "the server shuts down");
        assert!(!clients.wait_until_empty(Duration::ZERO));
        drop(entry);
        assert!(clients.wait_until_empty(Duration::ZERO));
    }

    #[test]
    fn a_thread_that_panics_leaves_no_entry() {
        let clients = clients(1, 1);
        let entry = register(&clients);
        let panicked = thread::spawn(move || {
            assert!(entry.take_slot());
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(clients.wait_until_empty(Duration::ZERO));
        assert!(register(&clients).take_slot());
    }
}
