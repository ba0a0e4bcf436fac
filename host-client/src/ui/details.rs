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
    add("album by", if song.album_artist == song.artist { String::new() } else { clean(&song.album_artist) });
    add("disc", known(song.disc));
    add("track", known(song.track));
    add("year", known(song.year));
    add("genre", clean(&song.genre));
    add("length", song.duration.map_or("unknown".to_owned(), text::length));
    add("sound", sound(song));
    add("gain", gain(song));
    add("size", text::size(song.size_bytes));
    add("file", clean(&song.path));
    report
}

/// The known part of `-7.25 dB, album -6.50 dB`.
fn gain(song: &Song) -> String {
    let decibels = |hundredths: i16| format!("{:+.2} dB", f64::from(hundredths) / 100.0);
    let track = song.gain.track.map(decibels);
    let album = song.gain.album.map(|album| format!("album {}", decibels(album)));
    track.into_iter().chain(album).collect::<Vec<_>>().join(", ")
}

fn known(number: u16) -> String {
    if number > 0 { number.to_string() } else { String::new() }
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
    use trill_proto::message::Gain;

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
            album_artist: "Gould".to_owned(),
            genre: "Baroque".to_owned(),
            year: 1981,
            disc: 2,
            gain: Gain { track: Some(-725), album: Some(50), ..Gain::UNKNOWN },
            path: "Bach/Goldberg/04 Aria.mp3".to_owned(),
            ..unknown
        };
        assert_eq!(
            report(&known),
            "song       7\ntitle      Aria\nartist     Bach\nalbum      Goldberg\nalbum by   Gould\ndisc       2\n\
             track      4\nyear       1981\ngenre      Baroque\nlength     3:07\n\
             sound      128 kbit/s, 44100 Hz, stereo\ngain       -7.25 dB, album +0.50 dB\nsize       1.5 kB\n\
             file       Bach/Goldberg/04 Aria.mp3\n"
        );
    }
}
