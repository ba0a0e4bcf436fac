use super::*;
use crate::raw::{Ending, RawConnection, RawListener};
use std::time::Instant;

const DEADLINE: Duration = Duration::from_secs(20);
const MS: fn(u64) -> Duration = Duration::from_millis;
use Direction::{ToClient, ToServer};

/// A client and a server with a proxy between them.
fn connected(conditions: Conditions) -> (RawConnection, Proxy, RawConnection) {
    connected_through(|upstream| Proxy::recording(upstream, conditions))
}

fn connected_through(start: impl FnOnce(SocketAddr) -> Proxy) -> (RawConnection, Proxy, RawConnection) {
    let listener = RawListener::bind();
    let proxy = start(listener.address());
    let client = RawConnection::connect(proxy.address());
    let server = listener.accept(DEADLINE);
    (client, proxy, server)
}

fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    fastrand::Rng::with_seed(count as u64).fill(&mut bytes);
    bytes
}

#[test]
fn passes_both_ways_and_counts() {
    let (mut client, proxy, mut server) = connected(Conditions::PERFECT);
    client.send(b"question");
    assert_eq!(server.receive(8, DEADLINE), b"question");
    server.send(b"an answer");
    assert_eq!(client.receive(9, DEADLINE), b"an answer");
    assert_eq!((proxy.received(ToServer), proxy.forwarded(ToServer)), (8, 8));
    assert_eq!((proxy.received(ToClient), proxy.forwarded(ToClient)), (9, 9));
    assert_eq!((proxy.recorded(0, ToServer), proxy.recorded(0, ToClient)), (b"question".into(), b"an answer".into()));
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
}

#[test]
fn delays_by_the_round_trip() {
    let (mut client, _proxy, mut server) = connected(Conditions { delay: MS(40), ..Conditions::PERFECT });
    let start = Instant::now();
    client.send(b"ping");
    server.receive(4, DEADLINE);
    let one_way = start.elapsed();
    server.send(b"pong");
    client.receive(4, DEADLINE);
    assert!(one_way >= MS(40), "{one_way:?}");
    assert!(start.elapsed() >= MS(80), "{:?}", start.elapsed());
}

#[test]
fn throttles_to_the_rate_and_loses_nothing() {
    // 100,000 bytes at 4 Mbit/s take 200 ms.
    let (mut client, _proxy, mut server) = connected(Conditions::path(MS(20), 4_000_000));
    let sent = bytes(100_000);
    let start = Instant::now();
    let sender = {
        let sent = sent.clone();
        thread::spawn(move || server.send(&sent))
    };
    let received = client.receive(sent.len(), DEADLINE);
    let elapsed = start.elapsed();
    sender.join().expect("the sender sends all");
    assert!(received == sent, "the bytes differ");
    assert!(elapsed >= MS(210), "{elapsed:?}");
    assert!(elapsed < MS(2_000), "ten times the ideal: {elapsed:?}");
}

#[test]
fn holds_a_fast_sender_back() {
    let (mut client, proxy, mut server) = connected(Conditions { rate: Some(80_000), ..Conditions::PERFECT });
    server.set_send_buffer(SOCKET_BUFFER_BYTES);
    let accepted = server.send_what_fits(&bytes(10_000_000), MS(300));
    // The queue, the proxy's receive buffer, the sender's buffer, which the kernel doubles, and a few delivered bytes.
    let limit = Conditions::PERFECT.queue_bytes + 4 * SOCKET_BUFFER_BYTES + 32 * 1024;
    assert!(accepted < limit, "{accepted} of at most {limit} bytes");
    assert!(proxy.received(ToClient) <= Conditions::PERFECT.queue_bytes as u64 + 16 * 1024);
    client.receive(1_000, DEADLINE);
}

#[test]
fn a_receiver_that_does_not_read_holds_the_sender_back() {
    let (_client, proxy, mut server) = connected(Conditions::PERFECT);
    server.set_send_buffer(SOCKET_BUFFER_BYTES);
    let accepted = server.send_what_fits(&bytes(50_000_000), MS(300));
    // The proxy cannot limit the receiver's own buffer, which the kernel grows up to 6 MB.
    assert!(accepted < 10_000_000, "{accepted} bytes");
    let held = proxy.received(ToClient) - proxy.forwarded(ToClient);
    assert!(held <= Conditions::PERFECT.queue_bytes as u64, "{held}");
}

#[test]
fn cuts_into_single_bytes() {
    let shape = Shape::Pieces { bytes: 1, gap: MS(2) };
    let (mut client, _proxy, mut server) = connected(Conditions { shape, ..Conditions::PERFECT });
    let start = Instant::now();
    client.send(b"abc");
    assert_eq!(server.receive(3, DEADLINE), b"abc");
    assert!(start.elapsed() >= MS(4), "two gaps: {:?}", start.elapsed());
}

#[test]
fn coalesces_what_was_sent_apart() {
    let shape = Shape::Coalesced { bytes: 6, within: Duration::from_secs(3600) };
    let (mut client, proxy, mut server) = connected(Conditions { shape, ..Conditions::PERFECT });
    client.send(b"abc");
    crate::wait::wait_for(DEADLINE, "three bytes", || proxy.received(ToServer) == 3);
    assert_eq!(proxy.forwarded(ToServer), 0);
    client.send(b"def");
    assert_eq!(server.receive_some(DEADLINE), b"abcdef");
}

#[test]
fn freezes_and_thaws() {
    let (mut client, proxy, mut server) = connected(Conditions::PERFECT);
    proxy.inject(ToServer, Fault::Freeze(Duration::MAX));
    client.send(b"frozen");
    server.send(b"not frozen");
    client.receive(10, DEADLINE);
    assert_eq!(proxy.forwarded(ToServer), 0);
    proxy.inject(ToServer, Fault::Thaw);
    assert_eq!(server.receive(6, DEADLINE), b"frozen");

    let start = Instant::now();
    proxy.inject(ToServer, Fault::Freeze(MS(60)));
    client.send(b"later");
    server.receive(5, DEADLINE);
    assert!(start.elapsed() >= MS(60), "{:?}", start.elapsed());
}

#[test]
fn ends_of_stream_pass_after_the_bytes_before_them() {
    let (mut client, proxy, mut server) = connected(Conditions::path(MS(40), 1_000_000));
    client.send(b"last words");
    client.finish();
    assert_eq!(server.receive_to_end(DEADLINE), (b"last words".into(), Ending::EndOfStream));
    server.send(b"still here");
    server.finish();
    assert_eq!(client.receive_to_end(DEADLINE), (b"still here".into(), Ending::EndOfStream));
    crate::wait::wait_for(DEADLINE, "the proxied connection to end", || proxy.open() == 0);
}

#[test]
fn resets_pass() {
    let (client, proxy, mut server) = connected(Conditions::PERFECT);
    client.reset();
    assert_eq!(server.receive_to_end(DEADLINE).1, Ending::Reset);
    crate::wait::wait_for(DEADLINE, "the proxied connection to end", || proxy.open() == 0);
}

#[test]
fn cuts_after_a_number_of_bytes() {
    let check = |fault, ending| {
        let (mut client, _proxy, mut server) = connected_through(|upstream| {
            Proxy::scripted(upstream, Conditions::PERFECT, Script::cut(ToClient, 1_000, fault))
        });
        server.send(&bytes(5_000));
        let (received, how) = client.receive_to_end(DEADLINE);
        // A reset may overtake bytes in the receiver's buffer.
        assert!(received.len() == 1_000 || ending == Ending::Reset && received.len() < 1_000, "{}", received.len());
        assert_eq!((how, server.receive_to_end(DEADLINE).1), (ending, ending), "{fault:?}");
    };
    check(Fault::Close, Ending::EndOfStream);
    check(Fault::Reset, Ending::Reset);
}

#[test]
fn connections_are_cut_in_turn() {
    let cut = |bytes| Script::cut(ToClient, bytes, Fault::Close);
    let listener = RawListener::bind();
    let proxy = Proxy::scripted_in_turn(listener.address(), Conditions::PERFECT, vec![cut(3), cut(1)]);
    for (index, expected) in ["abc", "a", "abcdef"].into_iter().enumerate() {
        let before = Instant::now();
        let mut client = RawConnection::connect(proxy.address());
        let mut server = listener.accept(DEADLINE);
        server.send(b"abcdef");
        server.finish();
        assert_eq!(client.receive_to_end(DEADLINE), (expected.into(), Ending::EndOfStream));
        crate::wait::wait_for(DEADLINE, "all to have entered", || proxy.sent(index, ToClient) == b"abcdef");
        assert_eq!(proxy.recorded(index, ToClient), expected.as_bytes());
        assert!(before <= proxy.accepted_at(index) && proxy.accepted_at(index) <= Instant::now());
        assert_eq!(proxy.cut_at(index).is_some(), expected != "abcdef");
    }
}

#[test]
fn half_a_connection_can_be_closed() {
    let (mut client, proxy, mut server) = connected(Conditions::PERFECT);
    proxy.inject(ToClient, Fault::HalfClose);
    assert_eq!(client.receive_to_end(DEADLINE), (Vec::new(), Ending::EndOfStream));
    client.send(b"can you hear me");
    assert_eq!(server.receive(15, DEADLINE), b"can you hear me");
    server.send(b"yes");
    crate::wait::wait_for(DEADLINE, "an answer nobody hears", || proxy.received(ToClient) == 3);
    assert_eq!(proxy.forwarded(ToClient), 0);
}

#[test]
fn refuses_and_redirects() {
    let (first, second) = (RawListener::bind(), RawListener::bind());
    let proxy = Proxy::start(first.address(), Conditions::PERFECT);
    proxy.refuse(true);
    assert_eq!(RawConnection::connect(proxy.address()).receive_to_end(DEADLINE), (Vec::new(), Ending::Reset));
    proxy.refuse(false);
    let _to_first = (RawConnection::connect(proxy.address()), first.accept(DEADLINE));
    proxy.redirect(second.address());
    let _to_second = (RawConnection::connect(proxy.address()), second.accept(DEADLINE));
    assert_eq!((proxy.accepted(), proxy.open()), (2, 2));
}

#[test]
fn a_server_that_is_down_resets_the_client() {
    let address = RawListener::bind().address();
    let proxy = Proxy::start(address, Conditions::PERFECT);
    assert_eq!(RawConnection::connect(proxy.address()).receive_to_end(DEADLINE).1, Ending::Reset);
    assert_eq!(proxy.accepted(), 0);
}

#[test]
fn a_connection_that_has_ended_keeps_no_descriptor() {
    let listener = RawListener::bind();
    let proxy = Proxy::start(listener.address(), Conditions::PERFECT);
    let open_files = || crate::usage::of(std::process::id()).expect("a reading of this process").open_files;
    let before = open_files();
    for _ in 0..200 {
        drop((RawConnection::connect(proxy.address()), listener.accept(DEADLINE)));
    }
    crate::wait::wait_for(DEADLINE, "all to have ended", || proxy.open() == 0);
    assert_eq!(proxy.accepted(), 200);
    // Other tests of this process open files too, but not a hundred.
    crate::wait::wait_for(DEADLINE, "their descriptors to be closed", || open_files() < before + 100);
    proxy.inject_both(Fault::Thaw);
}

#[test]
fn survivable_scripts_change_no_byte() {
    for seed in 0..10 {
        let (mut client, proxy, mut server) = connected_through(|upstream| {
            Proxy::scripted(upstream, Conditions::PERFECT, Script::survivable(seed, 50_000))
        });
        let sent = bytes(60_000);
        let sender = {
            let sent = sent.clone();
            thread::spawn(move || server.send(&sent))
        };
        assert!(client.receive(sent.len(), DEADLINE) == sent, "seed {seed}: the bytes differ");
        sender.join().expect("the sender sends all");
        assert!(proxy.recorded(0, ToClient) == sent, "seed {seed}: the recording differs");
    }
}

#[test]
fn a_dropped_proxy_resets_its_connections() {
    let (mut client, proxy, mut server) = connected(Conditions::PERFECT);
    drop(proxy);
    assert_eq!(client.receive_to_end(DEADLINE).1, Ending::Reset);
    assert_eq!(server.receive_to_end(DEADLINE).1, Ending::Reset);
}
