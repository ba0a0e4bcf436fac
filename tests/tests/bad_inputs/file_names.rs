//! Names of files. All are in one directory. Clients get their titles, and users the printed form.

use super::{DEADLINE, Findings, is_plain};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

/// A row: its name; the file's name; the listed title and its printed form, or nothing if the file is not a song.
type Row = (&'static str, Vec<u8>, Option<(String, String)>);

fn rows() -> Vec<Row> {
    let listed = |name: &'static str, file: &[u8], title: &str, printed: &str| {
        (name, file.to_vec(), Some((title.to_owned(), printed.to_owned())))
    };
    let same = |name, file: &str, title: &str| listed(name, file.as_bytes(), title, title);
    let no_song = |name, file: &[u8]| (name, file.to_vec(), None);
    let of_bytes = |stem: &str, count: usize| [stem.repeat(count).as_bytes(), b".mp3"].concat();
    vec![
        same("a space", " .mp3", " "),
        same("spaces at both ends", "  a  .mp3", "  a  "),
        same("a format string", "%s%n%x.mp3", "%s%n%x"),
        same("an option", "-rf.mp3", "-rf"),
        same("an option of the client's", "--output=wav:x.mp3", "--output=wav:x"),
        same("nothing but the ending", ".mp3", ".mp3"),
        same("a dot and the ending", "..mp3", "."),
        same("two dots and the ending", "...mp3", ".."),
        same("hidden", ".hidden.mp3", ".hidden"),
        same("the ending twice", "a.mp3.mp3", "a.mp3"),
        same("an ending in capitals", "capitals.MP3", "capitals"),
        same("an ending in both", "both.mP3", "both"),
        same("a backslash", r"a\..\b.mp3", r"a\..\b"),
        same("quotes", "\"'`$(id)`.mp3", "\"'`$(id)`"),
        same("wild cards", "*?[a].mp3", "*?[a]"),
        same("an address", "http:／／x.mp3", "http:／／x"),
        same("what Windows reserves", "CON.mp3", "CON"),
        same("many scripts", "夜想曲 — ř ی 각.mp3", "夜想曲 — ř ی 각"),
        same("marks that combine", "e\u{301}.mp3", "e\u{301}"),
        listed("not UTF-8", b"\xff\xfe and \xc3.mp3", "\u{fffd}\u{fffd} and \u{fffd}", "\u{fffd}\u{fffd} and \u{fffd}"),
        listed("a surrogate", b"\xed\xa0\x80.mp3", "\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}\u{fffd}"),
        listed("an overlong slash", b"\xc0\xaf.mp3", "\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}"),
        listed("an escape", b"\x1b]0;owned\x07\x1b[2Jtitle.mp3", "\x1b]0;owned\x07\x1b[2Jtitle", "title"),
        listed("an escape of one character", "\u{9b}31mred.mp3".as_bytes(), "\u{9b}31mred", "red"),
        listed("an escape without an end", b"a\x1b[.mp3", "a\x1b[", "a"),
        listed("lines", b"two\nlines\r.mp3", "two\nlines\r", "two lines "),
        listed("tabs", b"a\tb.mp3", "a\tb", "a b"),
        listed("a bell and a backspace", b"b\x07\x08ell.mp3", "b\x07\x08ell", "bell"),
        listed("DEL", b"d\x7fel.mp3", "d\x7fel", "del"),
        listed("what runs backwards", "\u{202e}3pm.evil.mp3".as_bytes(), "\u{202e}3pm.evil", "3pm.evil"),
        listed("what runs apart", "\u{2066}a\u{2069}.mp3".as_bytes(), "\u{2066}a\u{2069}", "a"),
        listed("nothing that can be seen", "\u{200b}\u{feff}\u{ad}.mp3".as_bytes(), "\u{200b}\u{feff}\u{ad}", ""),
        listed(
            "a tower of marks",
            format!("t{}.mp3", "\u{301}".repeat(80)).as_bytes(),
            &format!("t{}", "\u{301}".repeat(80)),
            "t\u{301}\u{301}\u{301}\u{301}",
        ),
        // The longest names on Linux: 255 bytes.
        listed("255 bytes", &of_bytes("x", 251), &"x".repeat(251), &"x".repeat(251)),
        listed("255 bytes of wide characters", &of_bytes("夜", 83), &"夜".repeat(83), &"夜".repeat(83)),
        no_song("no ending", b"mp3"),
        no_song("an ending that goes on", b"x.mp33"),
        no_song("an ending that is short", b"x.mp"),
        no_song("an ending and a space", b"x.mp3 "),
        no_song("an ending and a line end", b"y.mp3\n"),
        no_song("an ending in wide letters", "x.ｍｐ３".as_bytes()),
        no_song("a download", b"x.mp3.part"),
        no_song("what an editor leaves", b"x.mp3~"),
        no_song("what macOS leaves", b"._a.mp3"),
    ]
}

pub(crate) fn names() -> Vec<&'static str> {
    rows().iter().map(|row| row.0).collect()
}

#[test]
fn each_is_listed_played_and_printed_or_is_no_song() {
    let rows = rows();
    let music = MusicDir::new();
    for (_, file, _) in &rows {
        // A name of 255 bytes leaves no room for a temporary suffix.
        std::fs::copy(SHORT.make(), music.path().join(OsStr::from_bytes(file))).expect("a name that Linux takes");
    }
    let mut server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let mut listed: BTreeMap<_, _> =
        session.list_measured().into_iter().map(|song| (song.title.clone(), song)).collect();
    let printed = Client::of(server.address()).arg("list").run(DEADLINE).expect_code(0).stdout;
    let printed: BTreeMap<_, _> = printed.lines().filter_map(|line| line.split_once('\t')).collect();
    let audio = layout::audio_of(&SHORT.make());
    let mut findings = Findings::default();
    for (name, _, expected) in rows {
        let Some((title, shown)) = expected else { continue };
        let Some(song) = listed.remove(&title) else {
            findings.compare(name, "listed", None, Some(title));
            continue;
        };
        let line = printed.get(song.id.to_string().as_str()).copied();
        findings.compare(name, "printed", line, Some(format!("{shown}\t\t\t0:00").as_str()));
        let played = session.play_out(song.id).expect("a song that was listed");
        findings.compare(name, "the bytes that are played", played.audio == audio, true);
    }
    findings.compare("what is no song", "listed", listed.into_keys().collect::<Vec<_>>(), vec![]);
    session.leave();
    let log = server.process().stderr();
    findings.compare("all of them", "a log that is plain", is_plain(&log), true);
}
