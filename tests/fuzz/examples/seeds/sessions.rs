//! Sequences of operations that reach every state of a session. See the targets for what the numbers after an operation
//! mean.

use trill_fuzz::client_session::operation as client;
use trill_fuzz::server_session::operation as server;

use crate::Corpus;

/// 16 KiB, in four bytes.
const CREDIT: [u8; 4] = [0, 0, 0x40, 0];

/// 32 KiB of buffer, empty; song 1 from its beginning.
const PLAY: [u8; 7] = [client::PLAY, 1, 0, 0, 0, 32, 0];

/// From the first byte to an open session.
const OPEN: [u8; 7] = [client::TRANSMIT, client::RECEIVE_PREAMBLE, client::RECEIVE_WELCOME, 1, 0, 0, 0];

/// Stream 1 begins: 20,000 bytes, from byte 0.
const STARTED: [u8; 11] = [client::RECEIVE_STARTED, 1, 0, 0, 0x4e, 0x20, 0, 0, 0, 0, 1];

/// 16,384 bytes of stream 1.
const DATA: [u8; 4] = [client::RECEIVE_DATA, 1, 0x40, 0];

/// What a client goes through.
pub(crate) fn client() -> Corpus {
    let release = [client::RELEASE, 1, 0x40, 0, client::TRANSMIT];
    let rest = [client::RECEIVE_DATA, 1, 0x0e, 0x20, client::RECEIVE_END, 1, 0];
    let lists = [client::LIST, 9, client::INFO, 3, client::TRANSMIT, client::RECEIVE_SONGS, 1];
    let resume = [client::PLAY, 1, 1, 0, 1, 32, 8, client::TRANSMIT];
    let second = [client::RECEIVE_STARTED, 2, 0, 0, 0, 9, 0, 0, 0, 0, 1];
    let wait = [client::WAIT, 0x75, 0x30, 0, client::TRANSMIT];
    named([
        ("lists", [&OPEN[..], &lists].concat()),
        ("played", [&OPEN[..], &PLAY, &[client::TRANSMIT], &STARTED, &DATA, &release, &rest].concat()),
        ("early", [&PLAY[..], &lists, &OPEN, &STARTED, &DATA].concat()),
        ("switched", [&OPEN[..], &PLAY, &STARTED, &PLAY, &[client::TRANSMIT], &DATA, &second].concat()),
        ("stopped", [&OPEN[..], &PLAY, &STARTED, &[client::STOP, client::TRANSMIT], &DATA, &rest].concat()),
        ("resumed", [&OPEN[..], &resume, &STARTED, &DATA].concat()),
        ("many", [&OPEN[..], &PLAY, &PLAY, &PLAY, &PLAY, &PLAY, &PLAY, &[client::STOP, client::TRANSMIT]].concat()),
        (
            "refused-song",
            [&OPEN[..], &PLAY, &[client::RECEIVE_ERROR, 1, 1, 0], &[client::RECEIVE_ERROR, 0, 0, 1]].concat(),
        ),
        ("silent", [&OPEN[..], &wait, &[client::RECEIVE_PING, 0, 15, 66, 64], &wait, &wait, &wait].concat()),
        ("stalled", [&OPEN[..], &PLAY, &STARTED, &wait, &[client::PING], &wait].concat()),
        ("goodbye", [&OPEN[..], &PLAY, &[client::GOODBYE, client::STOP, client::TRANSMIT]].concat()),
        ("refused", [&[client::RECEIVE, 8][..], b"TRNO\x03\x01\0\0"].concat()),
        ("skipped", [&OPEN[..], &[client::RECEIVE, 12, 0x81, 0, 0, 4, 0, 0, 0, 0, 1, 2, 3, 4]].concat()),
    ])
}

/// What a server goes through.
pub(crate) fn server() -> Corpus {
    let yes = [server::ANSWER, 0, 0, 0, 0x4e, 0x20];
    let no = [server::ANSWER, 1, 0, 0, 0, 0];
    let open = [&[server::RECEIVE_PREAMBLE, server::RECEIVE_HELLO, 1, 2, 0][..], &yes, &[server::TRANSMIT]].concat();
    let play = |stream: u8| [&[server::RECEIVE_PLAY, stream, 1][..], &CREDIT].concat();
    let more = [&[server::RECEIVE_CREDIT, 1][..], &CREDIT].concat();
    let data = [server::TRANSMIT_DATA, 0x10, 0];
    let stop = [server::RECEIVE_STOP, 1, server::TRANSMIT];
    let wait = [server::WAIT, 0x3a, 0x98, 0, server::TRANSMIT];
    let lists = [server::RECEIVE_LIST, 1, 9, server::RECEIVE_INFO, 2, 1];
    let long_song = [server::ANSWER, 0xff, 0, 0, 0, 0];
    let stops = [server::RECEIVE_STOPS, 9, 0xff, 0xff];
    let a_moment = [server::WAIT, 0, 2, 0, server::TRANSMIT];
    named([
        ("lists", [&open[..], &lists, &yes, &yes, &[server::RECEIVE_INFO, 3, 2], &no, &[server::TRANSMIT]].concat()),
        ("listed", [&open[..], &lists, &no, &long_song, &long_song, &no, &yes, &yes, &[server::TRANSMIT]].concat()),
        ("rejected", [&[server::RECEIVE_PREAMBLE, server::RECEIVE_HELLO, 1, 2, 0][..], &no, &play(1), &yes].concat()),
        ("flood", [&open[..], &play(1), &yes, &stops, &data, &a_moment, &more, &a_moment, &data, &stop].concat()),
        ("played", [&open[..], &play(1), &yes, &data, &data, &data, &data, &more, &data, &data].concat()),
        ("early", [&[server::RECEIVE_PREAMBLE, server::RECEIVE_HELLO, 1, 1, 0][..], &play(1), &yes, &yes].concat()),
        ("switched", [&open[..], &play(1), &yes, &data, &play(2), &play(3), &no, &yes, &yes, &data].concat()),
        ("stopped", [&open[..], &play(1), &yes, &data, &stop, &data, &more].concat()),
        ("stopped-early", [&open[..], &play(1), &stop, &yes, &no].concat()),
        ("failed", [&open[..], &play(1), &yes, &data, &[server::FAIL, server::TRANSMIT]].concat()),
        ("refused-song", [&open[..], &play(1), &no, &data].concat()),
        ("silent", [&open[..], &[server::RECEIVE_PING, 0, 0, 0, 7, server::KEEP_ALIVE], &wait, &wait, &wait].concat()),
        ("late", [&wait[..], &[server::RECEIVE_PREAMBLE], &wait].concat()),
        ("goodbye", [&open[..], &play(1), &[server::GOODBYE, 1], &yes, &data].concat()),
        ("gone", [&open[..], &play(1), &[server::RECEIVE_GOODBYE, 0], &yes, &data].concat()),
        ("version", vec![server::RECEIVE_PREAMBLE, server::RECEIVE, 8, 1, 0, 0, 28, 0, 0, 0, 0, server::TRANSMIT]),
        ("not-trill", [&[server::RECEIVE, 4][..], b"GET ", &[server::TRANSMIT]].concat()),
    ])
}

fn named<const N: usize>(seeds: [(&str, Vec<u8>); N]) -> Corpus {
    seeds.map(|(name, seed)| (name.to_owned(), seed)).into()
}
