//! A connection that is cut again and again, at any byte: nothing is lost, and little is sent twice.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use trill_proto::message::{Message, Start};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::messages;
use trill_tests::proxy::{Conditions, Direction, Fault, Proxy, Script};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;

/// Ten times as long as it takes.
const DEADLINE: Duration = Duration::from_secs(600);

/// How often the connection is cut, and by which random numbers.
const CUTS: usize = 1_000;
const SEED: u64 = 1;

/// Of a connection, the bytes among which one cut falls: what a client says until some of the song has come, and as much of
/// a song as is left of it after a thousand cuts.
const TO_SERVER: u64 = 250;
const TO_CLIENT: u64 = 12_000;

/// 11 MB.
const LONG: Song = corpus::CBR_320.milliseconds(280_000);

#[test]
fn after_a_thousand_cuts_the_file_is_the_same_to_the_bit() {
    let music = MusicDir::new();
    music.add("long.mp3", &LONG);
    let server = ServerProcess::start(music.path());
    let folder = tempfile::tempdir().expect("a temporary directory");
    let play_to = |name: &str, address| {
        let file = folder.path().join(name);
        let output = format!("--output=wav:{}", file.display());
        Client::of(address).args(["-q", &output, "play", "1"]).run(DEADLINE).expect_code(0);
        std::fs::read(file).expect("the file that was just written")
    };
    let undisturbed = play_to("undisturbed.wav", server.address());

    let scripts = Script::random_cuts(SEED, CUTS, TO_SERVER, TO_CLIENT);
    let proxy = Proxy::scripted_in_turn(server.address(), Conditions::PERFECT, scripts.clone());
    let begun = Instant::now();
    let disturbed = play_to("disturbed.wav", proxy.address());
    println!("figure: cuts: {CUTS} (seed {SEED}) survived in {:.1?}", begun.elapsed());
    assert!(undisturbed == disturbed, "the files differ");
    assert_eq!(proxy.accepted(), CUTS + 1, "connections");

    let stretches: Vec<_> = (0..=CUTS).map(|index| Stretch::of(&proxy, index, scripts.get(index))).collect();
    check_bytes(&stretches, layout::audio_of(&LONG.make()).len() as u64);
    check_retries(&proxy, &stretches);
}

/// What passed on a connection, as far as the song is concerned.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Where the client asked for the song to begin; `None` if no PLAY reached the server.
    from: Option<u64>,
    /// The credit that reached the server: that of PLAY and of every CREDIT.
    granted: u64,
    /// Bytes of the song that the server sent.
    sent: u64,
    /// Those of them that were handed to the client.
    handed: u64,
    /// How the connection was cut. A reset destroys what the client has not read yet.
    cut: Option<Fault>,
}

impl Stretch {
    fn of(proxy: &Proxy, index: usize, script: Option<&Script>) -> Self {
        let mut stretch = Self {
            from: None,
            granted: 0,
            sent: messages::data_bytes(&proxy.sent(index, Direction::ToClient)),
            handed: messages::data_bytes(&proxy.recorded(index, Direction::ToClient)),
            cut: script.map(|script| script.steps[0].fault),
        };
        for frame in messages::frames(&proxy.recorded(index, Direction::ToServer)) {
            match frame.message() {
                Message::Play(play) => {
                    stretch.from = Some(match play.start {
                        Start::Resume(position) => position,
                        Start::Time(ms) => ms, // from the beginning, before any of the song has come
                    });
                    stretch.granted += u64::from(play.credit);
                }
                Message::Credit(credit) => stretch.granted += u64::from(credit.more),
                _ => {}
            }
        }
        stretch
    }
}

/// No more was sent than the song, and at each cut what had been granted and not arrived. And the client has not asked
/// again for a byte that was handed to it.
fn check_bytes(stretches: &[Stretch], song: u64) {
    let starts = stretches.iter().filter_map(|stretch| Some((stretch.from?, stretch)));
    let ends = starts.clone().skip(1).map(|(from, _)| from).chain([song]);
    let (mut outstanding, mut sent) = (0, 0);
    for ((from, stretch), end) in starts.zip(ends) {
        let received = end.checked_sub(from).filter(|received| *received <= stretch.handed);
        let Some(received) = received else { panic!("then on from {end}: {stretch:?}") };
        assert!(received == stretch.handed || stretch.cut == Some(Fault::Reset), "then again from {end}: {stretch:?}");
        assert!(stretch.sent <= stretch.granted, "without credit: {stretch:?}");
        outstanding += stretch.granted - received;
        sent += stretch.sent;
    }
    let more = 100.0 * (sent as f64 / song as f64 - 1.0);
    println!(
        "figure: cuts: {sent} bytes sent of a song of {song}, {more:.1} % more; {outstanding} bytes of credit \
         outstanding at the cuts"
    );
    assert!(sent <= song + outstanding, "{sent} bytes sent, {song} long, {outstanding} outstanding");
}

/// After a connection that delivered, the next is tried for within 50 ms.
fn check_retries(proxy: &Proxy, stretches: &[Stretch]) {
    let after = |index: usize| {
        let cut = proxy.cut_at(index).expect("every connection but the last was cut");
        proxy.accepted_at(index + 1).saturating_duration_since(cut)
    };
    let delivered = (0..CUTS).filter(|index| stretches[*index].handed > 0);
    let mut times: Vec<Duration> = delivered.map(after).collect();
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let within = times.iter().filter(|time| **time <= Duration::from_millis(50)).count();
    println!(
        "figure: cuts: {} of {} connections after one that delivered came within 50 ms, median {median:.1?}, slowest \
         {slowest:.1?}",
        within,
        times.len()
    );
    // The program draws the delay from 25 to 50 ms; the rest is for a machine that is busy with other tests.
    assert!(median < Duration::from_millis(200) && slowest < Duration::from_secs(10), "median {median:?}");
}
