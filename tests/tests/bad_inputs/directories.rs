//! Contents of a directory. Each row has a server of its own and gives the expected list, the playable songs and the
//! log's skipped files.

use super::{DEADLINE, Findings};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use trill_proto::error::ErrorCode;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

const SHORT: corpus::Song = corpus::CBR_128.milliseconds(500);

struct Row {
    name: &'static str,
    /// Whether the server runs with `--follow-symlinks`.
    follows: bool,
    make: fn(&Place<'_>),
    /// The listed titles in order, and whether each plays.
    songs: &'static [(&'static str, Sound)],
    /// The skipped files in the log, with the reasons.
    skipped: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sound {
    /// Half a second of music.
    Music,
    /// No playable content.
    Nothing,
}

use Sound::{Music, Nothing};

/// A row's directory, and one outside it.
struct Place<'a> {
    inside: &'a Path,
    outside: &'a Path,
}

impl Place<'_> {
    fn song(&self, name: &str) {
        let path = self.inside.join(name);
        fs::create_dir_all(path.parent().expect("a name in a directory")).expect("a directory");
        fs::copy(SHORT.make(), path).expect("a song");
    }

    fn bytes(&self, name: &str, bytes: &[u8]) {
        fs::write(self.inside.join(name), bytes).expect("a file");
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        let path = self.inside.join(name);
        fs::create_dir_all(path.parent().expect("a name in a directory")).expect("a directory");
        symlink(target, path).expect("a link");
    }

    fn node(&self, name: &str, kind: FileType, device: u64) {
        mknodat(CWD, self.inside.join(name), kind, Mode::from(0o666), device).expect("root makes any node");
    }
}

const NOT_REGULAR: &str = "not a regular file";
const OUTSIDE: &str = "leads out of the directory; --follow-symlinks allows that";
const CIRCLE: &str = "leads back to a directory that it is in";
const NOWHERE: &str = "leads nowhere";
const APPLE: &str = "holds only macOS metadata of another file";

fn rows() -> Vec<Row> {
    let row = |name, make, songs, skipped| Row { name, follows: false, make, songs, skipped };
    let followed = |name, make, songs, skipped| Row { name, follows: true, make, songs, skipped };
    vec![
        // ── files without music ──
        row("nothing", |_| {}, &[], &[]),
        row("an empty file", |p| p.bytes("a.mp3", b""), &[("a", Nothing)], &[]),
        row("text", |p| p.bytes("a.mp3", b"This is not music.\n"), &[("a", Nothing)], &[]),
        row("zeros", |p| p.bytes("a.mp3", &[0; 50_000]), &[("a", Nothing)], &[]),
        row("ones", |p| p.bytes("a.mp3", &[0xff; 50_000]), &[("a", Nothing)], &[]),
        row("random bytes", |p| p.bytes("a.mp3", &random_bytes(100_000)), &[("a", Nothing)], &[]),
        row("a tag and nothing behind it", |p| p.bytes("a.mp3", b"ID3\x04\0\0\0\0\0\0"), &[("a", Nothing)], &[]),
        row("one frame's header", |p| p.bytes("a.mp3", b"\xff\xfb\x90\x64"), &[("a", Nothing)], &[]),
        row(
            "half a frame",
            |p| p.bytes("a.mp3", &[b"\xff\xfb\x90\x64".as_slice(), &[0; 100]].concat()),
            &[("a", Nothing)],
            &[],
        ),
        row("a hole of 64 MB", |p| sparse(p, 64), &[("a", Nothing)], &[]),
        row(
            "a picture that is called a song",
            |p| p.bytes("a.mp3", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
            &[("a", Nothing)],
            &[],
        ),
        row("a FIFO", |p| p.node("a.mp3", FileType::Fifo, 0), &[], &[("a.mp3", NOT_REGULAR)]),
        row("a device", |p| p.node("a.mp3", FileType::CharacterDevice, makedev(1, 5)), &[], &[("a.mp3", NOT_REGULAR)]),
        row("a socket", |p| drop(UnixListener::bind(p.inside.join("a.mp3"))), &[], &[("a.mp3", NOT_REGULAR)]),
        row("a note of macOS", |p| p.song("._a.mp3"), &[], &[("._a.mp3", APPLE)]),
        row(
            "two names for one file",
            |p| {
                p.song("a.mp3");
                fs::hard_link(p.inside.join("a.mp3"), p.inside.join("b.mp3")).expect("a link")
            },
            &[("a", Music), ("b", Music)],
            &[],
        ),
        row(
            "other files",
            |p| {
                p.song("a.mp3");
                p.bytes("cover.jpg", b"x");
                p.node("fifo", FileType::Fifo, 0)
            },
            &[("a", Music)],
            &[],
        ),
        // ── directories ──
        row("a directory that is called a song", |p| p.song("d.mp3/a.mp3"), &[], &[("d.mp3", NOT_REGULAR)]),
        row("an empty directory", |p| fs::create_dir(p.inside.join("d")).expect("a directory"), &[], &[]),
        row("a hidden directory", |p| p.song(".d/a.mp3"), &[("a", Music)], &[]),
        row("a hundred directories deep", |p| p.song(&format!("{}a.mp3", "d/".repeat(100))), &[("a", Music)], &[]),
        row(
            "a path of 3,500 bytes",
            |p| p.song(&format!("{}a.mp3", format!("{}/", "d".repeat(249)).repeat(13))),
            &[("a", Music)],
            &[],
        ),
        row(
            "the same names in two directories",
            |p| {
                p.song("d/a.mp3");
                p.song("e/a.mp3")
            },
            &[("a", Music), ("a", Music)],
            &[],
        ),
        row(
            "directories before and behind their files",
            |p| {
                p.song("b/1.mp3");
                p.song("a.mp3");
                p.song("c.mp3")
            },
            &[("a", Music), ("1", Music), ("c", Music)],
            &[],
        ),
        // ── links that stay inside ──
        row(
            "a link to a song",
            |p| {
                p.song("a.mp3");
                p.link("b.mp3", "a.mp3")
            },
            &[("a", Music), ("b", Music)],
            &[],
        ),
        row(
            "a link to a directory",
            |p| {
                p.song("d/a.mp3");
                p.link("e", "d")
            },
            &[("a", Music), ("a", Music)],
            &[],
        ),
        row(
            "two links to a directory",
            |p| {
                p.song("d/a.mp3");
                p.link("e", "d");
                p.link("f", "d")
            },
            &[("a", Music), ("a", Music)],
            &[("f", "another link leads to the same directory")],
        ),
        row(
            "a link that makes a song of a file",
            |p| {
                p.bytes("a.txt", b"text");
                p.link("a.mp3", "a.txt")
            },
            &[("a", Nothing)],
            &[],
        ),
        row(
            "a link to a FIFO",
            |p| {
                p.node("fifo", FileType::Fifo, 0);
                p.link("a.mp3", "fifo")
            },
            &[],
            &[("a.mp3", NOT_REGULAR)],
        ),
        row(
            "a link to a directory that is called a song",
            |p| {
                p.song("d/a.mp3");
                p.link("e.mp3", "d")
            },
            &[("a", Music)],
            &[("e.mp3", NOT_REGULAR)],
        ),
        row("forty links, one to the next", |p| chain(p, 40), &[("a", Music)], &[]),
        row(
            "a link to its own directory",
            |p| {
                p.song("a.mp3");
                p.link("d", ".")
            },
            &[("a", Music)],
            &[("d", CIRCLE)],
        ),
        row(
            "a link to the directory above",
            |p| {
                p.song("d/a.mp3");
                p.link("d/e", "..")
            },
            &[("a", Music)],
            &[("d/e", CIRCLE)],
        ),
        row(
            "two directories that link to each other",
            |p| {
                p.song("d/a.mp3");
                p.song("e/b.mp3");
                p.link("d/e", "../e");
                p.link("e/d", "../d")
            },
            &[("a", Music), ("b", Music), ("b", Music), ("a", Music)],
            &[("d/e/d", CIRCLE), ("e/d/e", CIRCLE)],
        ),
        row("a link to itself", |p| p.link("a.mp3", "a.mp3"), &[], &[("a.mp3", CIRCLE)]),
        row(
            "two links to each other",
            |p| {
                p.link("a.mp3", "b.mp3");
                p.link("b.mp3", "a.mp3")
            },
            &[],
            &[("a.mp3", CIRCLE), ("b.mp3", CIRCLE)],
        ),
        // ── links that lead outside ──
        row("a link to nothing", |p| p.link("a.mp3", "nothing"), &[], &[("a.mp3", NOWHERE)]),
        row("a link to nothing that is no song's", |p| p.link("a", "nothing"), &[], &[]),
        row("a link to a song outside", |p| p.link("a.mp3", p.outside.join("song.mp3")), &[], &[("a.mp3", OUTSIDE)]),
        row("a link to a directory outside", |p| p.link("d", p.outside), &[], &[("d", OUTSIDE)]),
        row("a link to the root of everything", |p| p.link("d", "/"), &[], &[("d", OUTSIDE)]),
        row("a link to the passwords", |p| p.link("a.mp3", "/etc/passwd"), &[], &[("a.mp3", OUTSIDE)]),
        row("a link to an endless device", |p| p.link("a.mp3", "/dev/zero"), &[], &[("a.mp3", OUTSIDE)]),
        row(
            "a link upwards and down again",
            |p| {
                p.link(
                    "a.mp3",
                    Path::new("../../..").join(p.outside.strip_prefix("/").expect("an absolute path")).join("song.mp3"),
                )
            },
            &[],
            &[("a.mp3", OUTSIDE)],
        ),
        row(
            "a link out by way of a link",
            |p| {
                p.link("d/e", p.outside);
                p.link("a.mp3", "d/e/song.mp3")
            },
            &[],
            &[("a.mp3", OUTSIDE), ("d/e", OUTSIDE)],
        ),
        followed(
            "a link to a song outside, allowed",
            |p| p.link("a.mp3", p.outside.join("song.mp3")),
            &[("a", Music)],
            &[],
        ),
        followed(
            "a link to a directory outside, allowed",
            |p| p.link("d", p.outside.join("folder")),
            &[("far", Music)],
            &[],
        ),
        followed(
            "a link to an endless device, allowed",
            |p| p.link("a.mp3", "/dev/zero"),
            &[],
            &[("a.mp3", NOT_REGULAR)],
        ),
        followed("a link to nothing, allowed", |p| p.link("a.mp3", "/nothing"), &[], &[("a.mp3", NOWHERE)]),
    ]
}

fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    bytes
}

/// A sparse file of so many megabytes.
fn sparse(place: &Place<'_>, megabytes: u64) {
    let file = File::create(place.inside.join("a.mp3")).expect("a file");
    file.set_len(megabytes << 20).expect("a file system with sparse files");
}

/// A song and a chain of so many links to it.
fn chain(place: &Place<'_>, links: usize) {
    place.song("x/0");
    for link in 1..links {
        place.link(&format!("x/{link}"), (link - 1).to_string());
    }
    place.link("a.mp3", format!("x/{}", links - 1));
}

pub(crate) fn names() -> Vec<&'static str> {
    rows().iter().map(|row| row.name).collect()
}

#[test]
fn only_files_inside_are_songs() {
    check(false, &[]);
}

#[test]
fn links_may_lead_outside_where_that_is_asked_for() {
    check(true, &["--follow-symlinks"]);
}

/// Serves each row.
fn check(follows: bool, options: &[&str]) {
    let (music, outside) = (MusicDir::new(), MusicDir::new());
    outside.add("song.mp3", &SHORT);
    outside.add("folder/far.mp3", &SHORT);
    let rows: Vec<_> = rows().into_iter().filter(|row| row.follows == follows).collect();
    let mut findings = Findings::default();
    let audio = layout::audio_of(&SHORT.make());
    for row in &rows {
        let inside = tempfile::tempdir_in(music.path()).expect("a directory of this row's own");
        (row.make)(&Place { inside: inside.path(), outside: outside.path() });
        let mut server = ServerProcess::start_with(inside.path(), options);
        let mut session = Session::open(server.address());
        let songs = session.list();
        let mut found = Vec::new();
        for song in &songs {
            found.push((song.title.as_str(), sound(&mut session, song.id, &audio)));
        }
        let expected: Vec<_> = row.songs.iter().map(|(title, sound)| (*title, Ok(*sound))).collect();
        findings.compare(row.name, "listed and played", found, expected);
        for (name, reason) in row.skipped {
            server.process().wait_for_line(DEADLINE, &format!("skipped {name:?}: {reason}"));
        }
        // Logged once, not at every list.
        session.list();
        session.leave();
        let log = server.stop().expect_code(0).stderr;
        findings.compare(row.name, "lines about what is skipped", log.matches("skipped").count(), row.skipped.len());
    }
}

/// Plays a song to its end.
fn sound(session: &mut Session, song: u32, audio: &[u8]) -> Result<Sound, String> {
    let played = match session.play_out(song) {
        Err(ErrorCode::NO_AUDIO) => return Ok(Nothing),
        played => played.map_err(|code| format!("{code:?}"))?,
    };
    match &played.audio {
        bytes if bytes == audio => Ok(Music),
        bytes => Err(format!("{} bytes of something else", bytes.len())),
    }
}
