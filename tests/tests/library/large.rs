//! Ten thousand songs.

use super::{check_audio, ids};
use std::fs;
use std::path::Path;
use std::time::Instant;
use trill_proto::message::Start;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;

const SONGS: u32 = 10_000;

/// One file under ten thousand names.
fn many_songs() -> MusicDir {
    let music = MusicDir::new();
    let original = music.add("00000.mp3", &corpus::MONO_8_KBPS.milliseconds(500));
    for index in 1..SONGS {
        fs::hard_link(&original, music.path().join(format!("{index:05}.mp3"))).expect("a link in the same directory");
    }
    music
}

/// A server that is scanning its directory, and a client that has joined meanwhile.
struct Early {
    begun: Instant,
    server: ServerProcess,
    session: Session,
}

impl Early {
    /// Starts servers until a client joins before the scan is over. On a busy machine this process may miss the half
    /// second.
    fn catch_the_walk(directory: &Path) -> Self {
        for _ in 0..10 {
            let mut command = ServerProcess::command();
            command.args(["--listen", "127.0.0.1:0"]).arg(directory);
            let begun = Instant::now();
            let server = ServerProcess::launch(command);
            let listening = begun.elapsed();
            let mut session = Session::open(server.address());
            if session.greeting().generation == 0 {
                assert_eq!(session.greeting().song_count, 0, "no song is known before the walk is over");
                println!("figure: library: listening {listening:?} after its start, with {SONGS} songs");
                return Self { begun, server, session };
            }
        }
        panic!("ten servers were ready before a client could join");
    }
}

#[test]
fn ten_thousand_songs_are_listed_as_soon_as_they_are_found() {
    let music = many_songs();
    // An early client waits for the scan of the directory, but not for tags.
    let Early { begun, mut server, session: mut early } = Early::catch_the_walk(music.path());
    let (list, play, info) =
        (early.request_page(1, 10), early.request_play(SONGS, Start::Time(0)), early.request_info(SONGS));
    let page = early.page(list);
    println!("figure: library: a LIST sent during the walk was answered {:?} after the start", begun.elapsed());
    assert_eq!((page.songs.len(), page.total, page.next), (10, SONGS, Some(11)));
    early.started(play).expect("the last song is there");
    assert_eq!(early.info(info).expect("the last song is there").title, "09999");
    assert_eq!(server.wait_until_ready(), SONGS as usize);
    println!("figure: library: ready {:?} after its start", begun.elapsed());

    let asked = Instant::now();
    let songs = early.list();
    println!("figure: library: all {SONGS} songs listed by pages in {:?}", asked.elapsed());
    assert_eq!(ids(&songs), (1..=SONGS).collect::<Vec<_>>());
    assert!((0..SONGS).zip(&songs).all(|(index, song)| song.title == format!("{index:05}")));
    early.list_measured();
    println!("figure: library: all songs measured {:?} after the start", begun.elapsed());
    println!("figure: library: resident with {SONGS} songs: {} KiB", server.usage().resident_bytes / 1024);

    let asked = Instant::now();
    early.list();
    println!("figure: library: listed again, all known, in {:?}", asked.elapsed());
    check_audio(&mut early, SONGS / 2, &layout::audio_of(&music.path().join("00000.mp3")));
    early.leave();
    server.stop().expect_code(0);
}
