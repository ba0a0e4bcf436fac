//! Clients that try to fill the server's disk with its log.

use std::time::Duration;

use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::MAX_NAME_BYTES;
use trill_proto::message::{Hello, Info, Message, MessageType, PREAMBLE, Play, Start};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages::encode;
use trill_tests::raw::RawConnection;
use trill_tests::server::ServerProcess;

const DEADLINE: Duration = Duration::from_secs(60);

/// Largest log of all attacks in this test together, in bytes: the burst of one network.
const LOG_BYTES: usize = 32 * 256;

/// Messages that must still appear in the log.
const REPORT: &str = "lines about clients were left out";

#[test]
fn clients_do_not_fill_the_log() {
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(500));
    let server = ServerProcess::start_with(music.path(), &[]);
    let name = "x".repeat(MAX_NAME_BYTES);
    let hello = || Hello { name: &name, ..Hello::default() };

    // Fewer than the server accepts at once.
    const REQUESTS: u32 = 1_900;
    let begin = server.logged_bytes();
    let mut client = RawConnection::connect(server.address());
    assert_eq!(client.greet(hello(), DEADLINE).kind(), Some(MessageType::Welcome));
    let requests = (1..=REQUESTS).flat_map(|number| {
        let (stream, request, song) = (StreamId(number), RequestId(number), SongId(99));
        let play = Play { stream, song, start: Start::Time(0), content_tag: 0, credit: 0 };
        [Message::Play(play), Message::Info(Info { request, song })]
    });
    client.send(&requests.flat_map(|request| encode(&request)).collect::<Vec<u8>>());
    client.finish();
    client.receive_to_end(DEADLINE);
    let refused = server.logged_bytes() - begin;

    const CONNECTIONS: usize = 300;
    let begin = server.logged_bytes();
    for _ in 0..CONNECTIONS {
        let mut client = RawConnection::connect(server.address());
        assert_eq!(client.greet(hello(), DEADLINE).kind(), Some(MessageType::Welcome));
    }
    let joined = server.logged_bytes() - begin;

    let begin = server.logged_bytes();
    for words in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), [PREAMBLE.as_slice(), &[0x7f; 8]].concat()] {
        for _ in 0..CONNECTIONS {
            let mut stranger = RawConnection::connect(server.address());
            stranger.send(&words);
            stranger.receive_to_end(DEADLINE);
        }
    }
    let strange = server.logged_bytes() - begin;
    eprintln!(
        "figure: log: bytes for each of {} refused requests {:.1}, of {CONNECTIONS} clients that come and go {:.1}, \
         of {} strangers {:.1}",
        2 * REQUESTS,
        refused as f64 / f64::from(2 * REQUESTS),
        joined as f64 / CONNECTIONS as f64,
        2 * CONNECTIONS,
        strange as f64 / (2 * CONNECTIONS) as f64
    );
    let output = server.stop().expect_code(0);
    assert!(output.stderr.len() <= LOG_BYTES, "{} bytes", output.stderr.len());
    assert!(output.stderr.contains(REPORT), "{output}");
}
