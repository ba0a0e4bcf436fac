//! Files that appear, change and disappear while the server runs.

use super::{DEADLINE, check_audio, ids, titles};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};
use trill_proto::error::ErrorCode;
use trill_proto::message::{EndReason, Start};
use trill_tests::corpus::tags::Tags;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::{Page, Session};

const SHORT: Song = corpus::CBR_128.milliseconds(500);

/// Longer than the first credit.
const LONG: Song = corpus::CBR_128.milliseconds(5_000);

/// Like [`LONG`], with other sound.
const OTHER: Song = corpus::CBR_128.milliseconds(5_000).seed(2);

/// Three songs: `1.mp3`, `2.mp3`, which is [`LONG`], and `3.mp3`.
fn serve() -> (MusicDir, ServerProcess, Session) {
    let music = MusicDir::new();
    for (name, song) in [("1.mp3", SHORT), ("2.mp3", LONG), ("3.mp3", SHORT.seed(2))] {
        music.add(name, &song);
    }
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    assert_eq!(ids(&session.list_measured()), [1, 2, 3]);
    (music, server, session)
}

fn page(session: &mut Session, first: u32, at_most: u32) -> Page {
    let request = session.request_page(first, at_most);
    session.page(request)
}

#[track_caller]
fn check_error(session: &mut Session, song: u32, expected: ErrorCode) {
    let request = session.request_info(song);
    assert_eq!(session.info(request), Err(expected), "INFO {song}");
    let stream = session.request_play(song, Start::Time(0));
    assert_eq!(session.started(stream), Err(expected), "PLAY {song}");
}

#[test]
fn the_next_list_shows_what_has_changed_and_a_number_keeps_its_meaning() {
    let (music, _server, mut session) = serve();
    let mut generation = page(&mut session, 1, 100).generation;
    // Lists, and checks that the generation changes.
    let mut list = |session: &mut Session| {
        let page = page(session, 1, 100);
        assert!(page.generation > generation, "still generation {generation} after a change");
        generation = page.generation;
        assert_eq!(page.songs.len(), page.total as usize);
        page.songs
    };

    // It sorts before all others, although it was added later.
    music.add("0.mp3", &SHORT);
    let songs = list(&mut session);
    assert_eq!((ids(&songs), titles(&songs)), (vec![1, 2, 3, 4], vec!["1", "2", "3", "0"]));

    music.remove("2.mp3");
    assert_eq!(ids(&list(&mut session)), [1, 3, 4]);
    check_error(&mut session, 2, ErrorCode::SONG_GONE);
    check_error(&mut session, 5, ErrorCode::NO_SUCH_SONG);

    // A new file under the name of a removed one is another song.
    music.add("2.mp3", &OTHER);
    let songs = list(&mut session);
    assert_eq!((ids(&songs), titles(&songs)), (vec![1, 3, 4, 5], vec!["1", "3", "0", "2"]));
    check_error(&mut session, 2, ErrorCode::SONG_GONE);
    check_audio(&mut session, 5, &layout::audio_of(&OTHER.make()));

    // A changed file is still the same song.
    music.add("3.mp3", &SHORT);
    let songs = list(&mut session);
    assert_eq!((ids(&songs), songs[1].duration_ms), (vec![1, 3, 4, 5], Some(500)));
    check_audio(&mut session, 3, &layout::audio_of(&SHORT.make()));

    // Whole directories appear and disappear too.
    music.add("more/of/it.mp3", &SHORT);
    assert_eq!(ids(&list(&mut session)), [1, 3, 4, 5, 6]);
    fs::remove_dir_all(music.path().join("more")).expect("a directory of this test's own");
    assert_eq!(ids(&list(&mut session)), [1, 3, 4, 5]);
    let unchanged = page(&mut session, 1, 100).generation;
    assert_eq!(page(&mut session, 1, 100).generation, unchanged, "nothing has changed since");
}

#[test]
fn a_song_that_was_away_for_a_moment_has_its_number_again() {
    let (music, _server, mut session) = serve();
    let (path, away) = (music.path().join("2.mp3"), music.path().join("2.mp3.away"));
    fs::rename(&path, &away).expect("a file of this test's own");
    assert_eq!(ids(&session.list()), [1, 3]);
    fs::rename(&away, &path).expect("a file of this test's own");
    assert_eq!(ids(&session.list()), [1, 2, 3]);
    check_audio(&mut session, 2, &layout::audio_of(&LONG.make()));
}

#[test]
fn a_directory_that_is_away_for_a_moment_is_not_empty() {
    let parent = MusicDir::new();
    parent.add("mounted/1.mp3", &SHORT);
    let (path, away) = (parent.path().join("mounted"), parent.path().join("away"));
    let mut server = ServerProcess::start(&path);
    let mut session = Session::open(server.address());
    let songs = session.list_measured();
    fs::rename(&path, &away).expect("a directory of this test's own");
    assert_eq!(session.list(), songs);
    server.process().wait_for_line(DEADLINE, "its songs stay listed as they were");
    let stream = session.request_play(1, Start::Time(0));
    assert_eq!(session.started(stream), Err(ErrorCode::SONG_GONE));
    fs::rename(&away, &path).expect("a directory of this test's own");
    check_audio(&mut session, 1, &layout::audio_of(&SHORT.make()));
    assert_eq!(session.list(), songs);
}

#[test]
fn a_directory_that_is_given_by_a_link_is_where_the_link_leads_to_now() {
    let parent = MusicDir::new();
    for name in ["old/1.mp3", "old/2.mp3", "new/3.mp3"] {
        parent.add(name, &SHORT);
    }
    let (link, other) = (parent.path().join("music"), parent.path().join("other"));
    symlink("old", &link).expect("a link");
    let server = ServerProcess::start(&link);
    let mut session = Session::open(server.address());
    assert_eq!(titles(&session.list_measured()), ["1", "2"]);
    // Like `ln -sfn`.
    symlink("new", &other).expect("a link");
    fs::rename(&other, &link).expect("both are there");
    let songs = session.list_measured();
    assert_eq!((titles(&songs), ids(&songs)), (vec!["3"], vec![3]));
    check_audio(&mut session, 3, &layout::audio_of(&SHORT.make()));
    symlink("old", &other).expect("a link");
    fs::rename(&other, &link).expect("both are there");
    assert_eq!(ids(&session.list()), [1, 2]);
    check_audio(&mut session, 1, &layout::audio_of(&SHORT.make()));
}

#[test]
fn a_removed_song_that_plays_is_played_to_its_end() {
    let (music, _server, mut session) = serve();
    let stream = session.request_play(2, Start::Time(0));
    session.started(stream).expect("a song that is there");
    music.remove("2.mp3");
    assert_eq!(ids(&session.list()), [1, 3]);
    check_error(&mut session, 2, ErrorCode::SONG_GONE);
    let played = session.receive_all(stream);
    assert_eq!(played.end, Some(EndReason::Finished));
    assert!(played.audio == layout::audio_of(&LONG.make()), "not the bytes of the file that was removed");
}

#[test]
fn a_song_whose_file_is_replaced_plays_on_and_is_not_mixed_with_the_new_one() {
    let (music, server, mut session) = serve();
    let stream = session.request_play(2, Start::Time(0));
    let before = session.started(stream).expect("a song that is there");
    music.add("2.mp3", &OTHER);

    // A client whose connection broke wants the rest of the old song.
    let mut second = Session::open(server.address());
    for start in [Start::Resume(1_000), Start::Time(0)] {
        let resumed = second.request_play_of(2, start, before.content_tag, 1_000);
        assert_eq!(second.started(resumed), Err(ErrorCode::SONG_CHANGED), "{start:?}");
    }
    check_audio(&mut second, 2, &layout::audio_of(&OTHER.make()));

    let played = session.receive_all(stream);
    assert_eq!(played.end, Some(EndReason::Finished));
    assert!(played.audio == layout::audio_of(&LONG.make()), "not the bytes of the file that was replaced");
}

#[test]
fn a_song_that_other_music_is_written_into_while_it_plays_fails_and_can_be_played_anew() {
    for change in [cut_short, overwrite] {
        let (music, mut server, mut session) = serve();
        let stream = session.request_play(2, Start::Time(0));
        let heard = layout::audio_of(&LONG.make())[..16_384].to_vec();
        assert!(session.receive_audio(stream, heard.len()) == heard, "not the bytes of the file");
        change(&music.path().join("2.mp3"));
        let played = session.receive_all(stream);
        assert_eq!((played.end, played.audio.len()), (Some(EndReason::Failed), heard.len()));
        server.process().wait_for_line(DEADLINE, "song 2 broke off: the song has changed");
        let changed = layout::audio_of(&music.path().join("2.mp3"));
        let played = session.play_out(2).expect("the song that it is now");
        // A cut frame is not audio.
        let is_whole = changed.starts_with(&played.audio) && changed.len() - played.audio.len() < 1_500;
        assert!(is_whole && played.end == Some(EndReason::Finished), "{:?} of {}", played.started(), changed.len());
    }
}

fn cut_short(path: &Path) {
    File::options()
        .write(true)
        .open(path)
        .expect("a file of this test's own")
        .set_len(50_000)
        .expect("a writable file");
}

fn overwrite(path: &Path) {
    fs::write(path, fs::read(OTHER.make()).expect("a song")).expect("a writable file");
}

#[test]
fn a_song_plays_on_while_everything_but_its_audio_is_changed() {
    let tagged = |title: &str| {
        let tags = Tags { title, artist: "", album: "", track: 0 };
        [tags.id3v2(id3::Version::Id3v23), fs::read(LONG.make()).expect("a song")].concat()
    };
    let (long, short) = (tagged(&"x".repeat(3_000)), tagged("y"));
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [(&str, Change<'_>); 5] = [
        ("touched", &|path| {
            let file = File::options().write(true).open(path).expect("a file of this test's own");
            file.set_modified(SystemTime::now() + Duration::from_secs(60)).expect("a file of this test's own");
        }),
        ("retitled", &|path| fs::write(path, &long).expect("a writable file")),
        ("retitled again", &|path| fs::write(path, &short).expect("a writable file")),
        ("copied over itself", &|path| fs::write(path, fs::read(path).expect("a file")).expect("a writable file")),
        ("appended to", &|path| {
            let mut file = File::options().append(true).open(path).expect("a file of this test's own");
            file.write_all(b"not music").expect("a writable file");
        }),
    ];
    let (music, _server, mut session) = serve();
    let audio = layout::audio_of(&LONG.make());
    let stream = session.request_play(2, Start::Time(0));
    let mut granted = 16_384;
    assert!(session.receive_audio(stream, granted) == &audio[..granted], "not the bytes of the file");
    for (name, change) in changes {
        change(&music.path().join("2.mp3"));
        session.grant(stream, 4_096);
        granted += 4_096;
        assert!(session.receive_audio(stream, granted) == &audio[..granted], "{name}");
    }
    let played = session.receive_all(stream);
    assert_eq!(played.end, Some(EndReason::Finished));
    assert!(played.audio == audio, "not the whole song");
}

#[test]
fn a_song_that_has_moved_is_found_by_its_content() {
    let music = MusicDir::new();
    music.add("1.mp3", &OTHER);
    music.add("2.mp3", &LONG);
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    session.list_measured();
    let stream = session.request_play(2, Start::Time(0));
    let started = session.started(stream).expect("a song that is there");
    session.receive_audio(stream, 16_384);
    fs::rename(music.path().join("2.mp3"), music.path().join("moved.mp3")).expect("a file of this test's own");
    assert_eq!(ids(&session.list_measured()), [1, 3]);

    // As a client whose connection broke meanwhile.
    let mut second = Session::open(server.address());
    let stream = second.request_play_of(2, Start::Resume(16_384), started.content_tag, 1_000);
    let resumed = second.started(stream).expect("the song is there under another number");
    assert_eq!((resumed.song.0, resumed.content_tag, resumed.position), (3, started.content_tag, 16_384));
    assert!(second.receive_all(stream).audio == layout::audio_of(&LONG.make())[16_384..], "not the rest of the song");
}

#[test]
fn a_song_that_was_renamed_while_it_plays_can_be_sought_in() {
    let (music, _server, mut session) = serve();
    let stream = session.request_play(2, Start::Time(0));
    let started = session.started(stream).expect("a song that is there");
    session.receive_audio(stream, 16_384);
    fs::rename(music.path().join("2.mp3"), music.path().join("renamed.mp3")).expect("a file of this test's own");
    // Without any list.
    let stream = session.request_play_of(2, Start::Time(3_000), started.content_tag, 1_000);
    let sought = session.started(stream).expect("the song is there under another name");
    assert_eq!((sought.song.0, sought.content_tag), (4, started.content_tag));
    assert!(sought.position > 16_384, "{sought:?}");
}

#[test]
fn a_list_goes_on_where_it_was_when_songs_come_and_go_between_its_pages() {
    let music = MusicDir::new();
    for index in 1..=6 {
        music.add(format!("{index}.mp3"), &SHORT);
    }
    let server = ServerProcess::start(music.path());
    let (mut session, mut other) = (Session::open(server.address()), Session::open(server.address()));
    let first = page(&mut session, 1, 2);
    assert_eq!((ids(&first.songs), first.next, first.total), (vec![1, 2], Some(3), 6));

    for name in ["1.mp3", "3.mp3", "4.mp3"] {
        music.remove(name);
    }
    music.add("0.mp3", &SHORT);
    assert_eq!(ids(&other.list()), [2, 5, 6, 7]);

    let second = page(&mut session, 3, 2);
    assert_eq!((ids(&second.songs), second.next, second.total), (vec![5, 6], Some(7), 4));
    assert!(second.generation > first.generation, "{first:?}, then {second:?}");
    let third = page(&mut session, 7, 2);
    assert_eq!((ids(&third.songs), third.next), (vec![7], None));
}
