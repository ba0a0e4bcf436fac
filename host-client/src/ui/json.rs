//! Answers for other programs: one JSON object a line.

use std::time::Duration;

use serde::Serialize;

use super::status::Status;
use super::text::clean;

/// The status. Times are in seconds, with milliseconds as decimals.
#[derive(Serialize)]
struct StatusLine {
    /// A word, as `status` shows it.
    state: &'static str,
    /// The song's number.
    song: Option<u32>,
    title: Option<String>,
    artist: Option<String>,
    album: Option<String>,
    position: Option<f64>,
    duration: Option<f64>,
    /// In percent.
    volume: u8,
}

/// The status on one line.
pub fn status(status: &Status) -> String {
    let song = status.song.as_ref();
    let text = |text: &str| Some(clean(text)).filter(|text| !text.is_empty());
    let line = StatusLine {
        state: status.state.word(),
        song: song.map(|song| song.number),
        title: song.and_then(|song| text(&song.title)),
        artist: song.and_then(|song| text(&song.artist)),
        album: song.and_then(|song| text(&song.album)),
        position: song.map(|song| seconds(song.position)),
        duration: song.and_then(|song| song.duration).map(seconds),
        volume: status.volume_percent,
    };
    serde_json::to_string(&line).expect("names, numbers and texts are JSON")
}

fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::status::{PlaybackState, Song};

    #[test]
    fn a_status_is_one_line_with_what_is_known() {
        let stopped = Status {
            state: PlaybackState::Stopped,
            song: None,
            next: String::new(),
            has_trouble: false,
            has_new_volume: false,
            buffered: Duration::ZERO,
            buffer_fill: 0.0,
            underruns: 0,
            volume_percent: 80,
        };
        let expected = r#"{"state":"stopped","song":null,"title":null,"artist":null,"album":null,"position":null,"duration":null,"volume":80}"#;
        assert_eq!(super::status(&stopped), expected);
        let song = Song {
            number: 3,
            title: "A \"quoted\"\u{1b}[2J\ntitle".to_owned(),
            artist: String::new(),
            album: String::new(),
            position: Duration::from_micros(62_250_900),
            duration: Some(Duration::from_secs(187)),
        };
        let playing = Status { state: PlaybackState::Playing, song: Some(song), ..stopped };
        let expected = r#"{"state":"playing","song":3,"title":"A \"quoted\" title","artist":null,"album":null,"position":62.25,"duration":187.0,"volume":80}"#;
        assert_eq!(super::status(&playing), expected);
    }
}
