//! Finding music, the queue and its order, from the command line and at the prompt.

use std::slice;
use std::time::Duration;

use serde_json::{Value, json};
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages;
use trill_tests::proxy::{Conditions, Direction, Proxy};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::VT100;

const DEADLINE: Duration = Duration::from_secs(60);

/// Two artists with an album of three songs each. Songs without tags have the artist and album of their folders.
const SONGS: [&str; 6] = [
    "Björk/Homogenic/1 Hunter.mp3",
    "Björk/Homogenic/2 Jóga.mp3",
    "Björk/Homogenic/3 Unravel.mp3",
    "Miles Davis/Kind of Blue/1 So What.mp3",
    "Miles Davis/Kind of Blue/2 Blue in Green.mp3",
    "Miles Davis/Kind of Blue/3 All Blues.mp3",
];

fn serve(milliseconds: u32) -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    SONGS.iter().for_each(|path| drop(music.add(path, &corpus::CBR_128.milliseconds(milliseconds))));
    let server = ServerProcess::start(music.path());
    (music, server)
}

#[test]
fn lists_of_songs_albums_and_artists_that_match() {
    let (_music, server) = serve(1_500);
    let check = |words: &[&str], fields: &[&[&str]]| {
        let output = Client::of(server.address()).args(words).run(DEADLINE).expect_code(0).stdout;
        let lines: Vec<Vec<_>> = output.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(lines, fields, "{words:?}");
    };
    let blue = ["5", "2 Blue in Green", "Miles Davis", "Kind of Blue", "0:01"];
    check(&["find", "green", "DAVIS"], &[&blue]);
    check(&["list", "joga"], &[&["2", "2 Jóga", "Björk", "Homogenic", "0:01"]]);
    check(&["albums"], &[&["1", "Homogenic", "Björk", "3"], &["4", "Kind of Blue", "Miles Davis", "3"]]);
    check(&["artists", "bjork"], &[&["1", "Björk", "", "3"]]);
    check(&["list", "nobody"], &[]);
}

#[test]
fn an_empty_list_names_its_words() {
    let (_music, server) = serve(1_500);
    for (line, reason) in [
        (["find", "no body"], "no song matches no body; list shows what there is"),
        (["albums", "nobody"], "no album matches nobody; list shows what there is"),
        (["artists", "nobody"], "no artist matches nobody; list shows what there is"),
    ] {
        let output = Client::of(server.address()).args(line).run(DEADLINE).expect_code(0);
        assert_eq!((output.stdout.as_str(), output.stderr.trim_end()), ("", reason));
    }
}

#[test]
fn in_a_pipe_the_whole_queue_is_shown_and_what_is_next_when_it_is_shuffled() {
    let (_music, server) = serve(60_000);
    let client = Client::of(server.address()).args(["--output", "null"]);
    let script = "play all\nadd 1-6\nadd 1-6\nadd 4-6\nadd 3\nshuffle on\nqueue\nstop\n";
    let output = client.run_script(script, DEADLINE).expect_code(0);
    let fields = |line: &str| line.split('\t').take(2).collect::<Vec<_>>().join(" ");
    let shown: Vec<_> = output.stdout.lines().map(fields).collect();
    let titles = ["1 Hunter", "2 Jóga", "3 Unravel", "1 So What", "2 Blue in Green", "3 All Blues"];
    let songs = [0, 1, 2, 3, 4, 5].repeat(3).into_iter().chain([3, 4, 5, 2]);
    let expected: Vec<_> = songs.zip(1..).map(|(song, place)| format!("{place} {}", titles[song])).collect();
    assert_eq!(shown, expected);
    let summary = output.stderr.lines().find_map(|line| line.strip_prefix("22 songs, shuffled, at place 1; next: "));
    assert!(summary.is_some_and(|next| shown[1..].iter().any(|row| row == next)), "{}", output.stderr);
}

/// The JSON objects in `text`, one a line.
#[track_caller]
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("an object on each line")).collect()
}

#[test]
fn answers_are_json_if_wanted() {
    let (_music, server) = serve(60_000);
    let client = || Client::of(server.address()).args(["--json", "--output=null"]);
    let ask = |words: &[&str]| objects(&client().args(words).run(DEADLINE).expect_code(0).stdout);
    let joga = json!({"song": 2, "title": "2 Jóga", "artist": "Björk", "album": "Homogenic", "duration": 60.0});
    assert_eq!(ask(&["find", "joga"]), slice::from_ref(&joga));
    assert_eq!(ask(&["list"]).len(), 6);
    assert_eq!(ask(&["list", "nobody"]), [Value::Null; 0]);
    assert_eq!(ask(&["albums", "blue"]), [json!({"album": "Kind of Blue", "artist": "Miles Davis", "songs": 3})]);
    assert_eq!(ask(&["artists"])[0], json!({"artist": "Björk", "songs": 3}));
    let info = ask(&["info", "2"]).remove(0);
    assert_eq!((&info["path"], &info["rate"]), (&json!(SONGS[1]), &json!(44_100)));
    assert!(joga.as_object().expect("an object").iter().all(|(key, value)| info[key] == *value), "{info}");
    assert_eq!(ask(&["status"])[0]["state"], "stopped");
    let script = client().run_script("play 4-6\nadd joga\nqueue\nstatus\nstop\n", DEADLINE).expect_code(0);
    let [.., last, status] = &objects(&script.stdout)[..] else { panic!("{script}") };
    let mut queued = joga;
    queued["place"] = json!(4);
    assert_eq!(*last, queued);
    assert_eq!((&status["song"], &status["place"], &status["songs"]), (&json!(4), &json!(1), &json!(4)));
}

/// Runs a script and checks which songs are requested, in order.
#[track_caller]
fn plays(server: &ServerProcess, script: &str) -> Vec<u32> {
    let proxy = Proxy::recording(server.address(), Conditions::PERFECT);
    let client = Client::of(proxy.address()).args(["--output", "null"]);
    client.run_script(script, DEADLINE).expect_code(0);
    messages::plays(&proxy.recorded(0, Direction::ToServer)).iter().map(|play| play.song.0).collect()
}

#[test]
fn an_album_plays_in_order_and_what_is_added_follows() {
    let (_music, server) = serve(1_500);
    assert_eq!(plays(&server, "play album homogenic\nadd so what\n"), [1, 2, 3, 4]);
    // The following song may have been requested before the next line is read, and is given up then.
    assert!(matches!(plays(&server, "play artist miles\nstop after\n")[..], [4] | [4, 5]));
    assert_eq!(plays(&server, "play jóga\n"), [2]);
}

#[test]
fn all_songs_are_shuffled_and_each_plays_once() {
    let (_music, server) = serve(1_500);
    let runs = [(); 4].map(|()| plays(&server, "shuffle on\nadd all\n"));
    assert!(runs.iter().any(|played| !played.is_sorted()), "{runs:?}");
    for mut played in runs {
        played.sort_unstable();
        assert_eq!(played, [1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn albums_are_shuffled_and_each_plays_in_order() {
    let (_music, server) = serve(1_500);
    for line in ["add all", "play all", "add album homogenic\nadd album kind of blue"] {
        let played = plays(&server, &format!("shuffle album\n{line}\n"));
        let orders = [[1, 2, 3, 4, 5, 6], [4, 5, 6, 1, 2, 3]];
        assert!(orders.iter().any(|order| played == order), "{line}: {played:?}");
    }
}

#[test]
fn lines_that_add_to_the_queue_wait_for_each_other() {
    let (_music, server) = serve(60_000);
    // Every answer comes 100 ms after its question.
    let proxy = Proxy::start(server.address(), Conditions { delay: Duration::from_millis(50), ..Conditions::PERFECT });
    let terminal = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    for _ in 0..3 {
        for line in ["add 3", "add so what", "add jóga", "add 1", "next hunter"] {
            terminal.type_line(line);
        }
    }
    terminal.type_line("queue");
    let screen = terminal.wait_for_text(DEADLINE, "15 songs, at place 1");
    assert!(!screen.contains("wait for the answers"), "{terminal}");
}

#[test]
fn what_is_repeated_plays_again() {
    let (_music, server) = serve(1_500);
    let all = plays(&server, "repeat all\nsleep 7s\nplay 2-3\n");
    assert!(all.starts_with(&[2, 3, 2]), "{all:?}");
    let one = plays(&server, "repeat one\nsleep 5s\nplay 2-3\n");
    assert!(one.len() > 1 && one.iter().all(|song| *song == 2), "{one:?}");
}

#[test]
fn the_prompt_shows_what_it_did_to_the_queue_and_the_queue_itself() {
    let (_music, server) = serve(60_000);
    let terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_line("play album homogenic");
    terminal.wait_for_text(DEADLINE, "next: 2 Jóga");
    terminal.type_line("add album blue");
    terminal.wait_for_text(DEADLINE, "added 3 songs of Kind of Blue; 6 songs in the queue");
    terminal.type_line("next so what");
    terminal.wait_for_text(DEADLINE, "added 1 So What; 7 songs in the queue");
    terminal.wait_for_text(DEADLINE, "next: 1 So What");
    terminal.type_line("repeat all");
    terminal.wait_for_text(DEADLINE, "repeat all; 7 songs in the queue");
    terminal.type_line("remove 3-6");
    terminal.type_line("queue");
    let screen = terminal.wait_for_text(DEADLINE, "3 songs, repeat all");
    for row in ["1▶ 1 Hunter", "2  1 So What", "3  3 All Blues"] {
        assert!(screen.contains(row), "{row:?} in {terminal}");
    }
    terminal.type_line("stop after");
    terminal.wait_for_text(DEADLINE, "next: stop");
    terminal.type_line("clear");
    terminal.wait_for_text(DEADLINE, "nothing follows; 1 song in the queue");
}

#[test]
fn gain_and_sleep_are_set_and_shown() {
    let (_music, server) = serve(1_500);
    let client = Client::of(server.address()).args(["--output", "null"]);
    let script = "gain\ngain auto\nsleep\nsleep 30m\nsleep off\nplay 1-6\nsleep 1s\n";
    let started = std::time::Instant::now();
    let run = client.run_script(script, DEADLINE).expect_code(0);
    assert_eq!(run.stdout, "gain off\ngain auto\nsleep off\nsleep 30m\nsleep off\nsleep 1s\n");
    assert!(started.elapsed() < Duration::from_secs(9), "six songs take nine seconds");
}
