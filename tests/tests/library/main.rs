//! The contents of a directory as clients see them through LIST, INFO and PLAY.
#![cfg(target_os = "linux")]

mod large;
mod live;
mod names;
mod search;
mod special;
mod tags;

use std::time::Duration;
use trill_proto::message::EndReason;
use trill_tests::session::{Listing, Session};

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

fn titles(songs: &[Listing]) -> Vec<&str> {
    songs.iter().map(|song| song.title.as_str()).collect()
}

fn ids(songs: &[Listing]) -> Vec<u32> {
    songs.iter().map(|song| song.id).collect()
}

/// Plays a song to its end and checks its bytes.
#[track_caller]
fn check_audio(session: &mut Session, song: u32, audio: &[u8]) {
    let played = session.play_out(song).expect("a song that was listed");
    assert_eq!(played.end, Some(EndReason::Finished), "song {song}");
    assert!(played.audio == audio, "song {song} is not the file: {:?}", played.started());
}
