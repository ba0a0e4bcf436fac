//! The answer to `info`: all that is known about a song.

use super::text::{self, clean};
use crate::network::Song;

/// One line per known property.
pub fn report(song: &Song) -> String {
    let mut report = String::new();
    let mut add = |label: &str, value: String| {
        if !value.is_empty() {
            report.push_str(&format!("{label:<11}{value}\n"));
        }
    };
    add("song", song.id.to_string());
    add("title", clean(&song.title));
    add("artist", clean(&song.artist));
    add("album", clean(&song.album));
    add("track", if song.track > 0 { song.track.to_string() } else { String::new() });
    add("length", song.duration.map_or("unknown".to_owned(), text::length));
    add("sound", sound(song));
    add("size", text::size(song.size_bytes));
    report
}

/// The known part of `128 kbit/s, 44100 Hz, stereo`.
fn sound(song: &Song) -> String {
    let bitrate = (song.bitrate > 0).then(|| format!("{} kbit/s", song.bitrate.div_ceil(1000)));
    let rate = (song.rate > 0).then(|| format!("{} Hz", song.rate));
    let channels = match song.channels {
        1 => Some("mono".to_owned()),
        2 => Some("stereo".to_owned()),
        _ => None,
    };
    [bitrate, rate, channels].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trill_proto::ids::SongId;

    use super::*;

    #[test]
    fn a_report_says_what_is_known() {
        let unknown = Song { id: SongId(7), size_bytes: 1_500, title: "a\u{1b}[2J\nb".to_owned(), ..Song::default() };
        assert_eq!(report(&unknown), "song       7\ntitle      a b\nlength     unknown\nsize       1.5 kB\n");
        let known = Song {
            duration: Some(Duration::from_millis(187_400)),
            bitrate: 127_600,
            rate: 44_100,
            channels: 2,
            track: 4,
            title: "Aria".to_owned(),
            artist: "Bach".to_owned(),
            album: "Goldberg".to_owned(),
            ..unknown
        };
        assert_eq!(
            report(&known),
            "song       7\ntitle      Aria\nartist     Bach\nalbum      Goldberg\ntrack      4\nlength     3:07\n\
             sound      128 kbit/s, 44100 Hz, stereo\nsize       1.5 kB\n"
        );
    }
}
