//! What is in a directory, as its listeners see it: through LIST, INFO and PLAY.
#![cfg(target_os = "linux")]

mod large;
mod live;
mod names;
mod special;
mod tags;

use std::net::SocketAddr;
use std::time::Duration;
use trill_proto::message::EndReason;
use trill_tests::client::Client;
use trill_tests::session::{Listing, Session};

/// Long enough for a machine on its knees; nothing waits this long if all is well.
const DEADLINE: Duration = Duration::from_secs(20);

fn titles(songs: &[Listing]) -> Vec<&str> {
    songs.iter().map(|song| song.title.as_str()).collect()
}

fn ids(songs: &[Listing]) -> Vec<u32> {
    songs.iter().map(|song| song.id).collect()
}

/// Plays a song to its end; it must be these bytes.
#[track_caller]
fn check_audio(session: &mut Session, song: u32, audio: &[u8]) {
    let played = session.play_out(song).expect("a song that was listed");
    assert_eq!(played.end, Some(EndReason::Finished), "song {song}");
    assert!(played.audio == audio, "song {song} is not the file: {:?}", played.started());
}

/// What a person gets to see of the list: as many lines as songs, and nothing that a terminal obeys or that turns the
/// direction of what follows.
#[track_caller]
fn check_printed_list(address: SocketAddr, songs: usize) -> String {
    let printed = Client::of(address).arg("list").run(DEADLINE).expect_code(0).stdout;
    let is_plain = |character: char| !character.is_control() && !('\u{202a}'..='\u{202e}').contains(&character);
    for line in printed.lines() {
        assert!(line.split('\t').all(|field| field.chars().all(is_plain)), "{:?}", line);
    }
    assert_eq!(printed.lines().count(), songs, "{printed:?}");
    printed
}
