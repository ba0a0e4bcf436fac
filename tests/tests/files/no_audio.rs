//! `.mp3` files without audio: each is marked and reports why it does not play.

use super::DEADLINE;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

#[test]
fn files_without_audio_are_marked_and_refused() {
    let mut random = vec![0; 100_000];
    fastrand::Rng::with_seed(1).fill(&mut random);
    let files = [("empty", &b""[..]), ("random", &random), ("text", b"This is not music.\n"), ("zeros", &[0; 50_000])];
    let music = MusicDir::new();
    for (name, bytes) in files {
        music.add_bytes(format!("{name}.mp3"), bytes);
    }
    music.add("zz.mp3", &corpus::CBR_128.milliseconds(500));
    let server = ServerProcess::start(music.path());
    Session::open(server.address()).list_measured();
    let run = |words: &[&str]| Client::of(server.address()).arg("--output=null").args(words).run(DEADLINE);
    let list = run(&["list"]).expect_code(0).stdout;
    let song = files.len() + 1;
    let marked = (1..).zip(files).map(|(number, (name, _))| format!("{number}\t{name}\t\t\tno audio\n"));
    assert_eq!(list, marked.chain([format!("{song}\tzz\t\t\t0:00\n")]).collect::<String>());
    for number in (1..song).map(|number| number.to_string()) {
        let played = run(&["play", &number]).expect_code(1);
        assert_eq!(played.stderr, format!("trill: song {number} contains no MP3 audio\n"));
        let info = run(&["info", &number]).expect_code(0).stdout;
        assert!(info.contains("length     no audio\n"), "{info}");
    }
    run(&["play", &song.to_string()]).expect_code(0);
}
