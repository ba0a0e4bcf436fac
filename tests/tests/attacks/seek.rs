//! Seeks that read a whole file, from clients that leave at once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use trill_proto::message::Start;
use trill_tests::corpus::MusicDir;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;
use trill_tests::usage;

const DEADLINE: Duration = Duration::from_secs(60);

/// Size of a hole without frames. It takes no space on the disk.
const HOLE_BYTES: u64 = 64 << 20;

const CLIENTS: u64 = 20;

/// The frames after the hole.
const TIME: Start = Start::Time(9_000);

#[test]
fn a_seek_ends_with_the_client_that_asked_for_it() {
    let music = MusicDir::new();
    let path = music.add_bytes("1.mp3", &frames(300));
    let file = File::options().write(true).open(path).expect("it was just written");
    let length = file.metadata().expect("a file").len();
    file.write_all_at(&frames(300), length + HOLE_BYTES).expect("a file with a hole");

    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    session.list_measured();
    let one = read_by(&server, || {
        let stream = session.request_play(1, TIME);
        session.started(stream).expect("a time within the song");
    });
    session.leave();
    assert!(one >= HOLE_BYTES, "{one} bytes were read for a seek across the hole");

    let rest = server.usage_at_rest();
    let all = read_by(&server, || {
        for _ in 0..CLIENTS {
            Session::open(server.address()).request_play(1, TIME);
        }
        server.wait_until_back_at(&rest, DEADLINE);
    });
    let cpu_time = server.usage().cpu_time.saturating_sub(rest.cpu_time);
    let ratio = all as f64 / one as f64;
    eprintln!(
        "figure: seek: {CLIENTS} clients that leave make the server read {ratio:.2} times the file, {cpu_time:?} of CPU"
    );
    assert!(all < one * CLIENTS / 3, "{ratio:.1} times what one seek reads");
}

/// Frames of silence, 26 ms and 417 bytes each.
fn frames(count: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
    frame.resize(417, 0);
    frame.repeat(count)
}

/// Bytes that the server reads meanwhile.
fn read_by(server: &ServerProcess, act: impl FnOnce()) -> u64 {
    let read = || usage::read_bytes(server.id()).expect("a running process");
    let before = read();
    act();
    read() - before
}
