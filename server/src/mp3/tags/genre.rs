//! Genres that tags give by number.

/// The genre in a text such as "Rock", "17" or "(17)Rock", which the first two versions of ID3v2 allow. `RX` and `CR` stand for
/// a remix and a cover.
///
/// Source: ID3v2.3.0, 4.2.1 (TCON) and appendix A, with the numbers that Winamp added.
pub(super) fn name(text: &str) -> String {
    let reference = text.strip_prefix('(').and_then(|text| text.split_once(')'));
    match reference {
        Some((_, refinement)) if !refinement.is_empty() && !refinement.starts_with('(') => refinement.into(),
        Some((number, _)) => numbered(number).unwrap_or(text).into(),
        None => numbered(text).unwrap_or(text).into(),
    }
}

/// The genre with this number.
pub(super) fn numbered(number: &str) -> Option<&'static str> {
    match number {
        "RX" => Some("Remix"),
        "CR" => Some("Cover"),
        _ => number.parse().ok().and_then(|number: usize| NAMES.get(number)).copied(),
    }
}

#[rustfmt::skip]
const NAMES: [&str; 148] = [
    "Blues", "Classic Rock", "Country", "Dance", "Disco", "Funk", "Grunge", "Hip-Hop", "Jazz", "Metal", "New Age",
    "Oldies", "Other", "Pop", "R&B", "Rap", "Reggae", "Rock", "Techno", "Industrial", "Alternative", "Ska",
    "Death Metal", "Pranks", "Soundtrack", "Euro-Techno", "Ambient", "Trip-Hop", "Vocal", "Jazz+Funk", "Fusion",
    "Trance", "Classical", "Instrumental", "Acid", "House", "Game", "Sound Clip", "Gospel", "Noise",
    "Alternative Rock", "Bass", "Soul", "Punk", "Space", "Meditative", "Instrumental Pop", "Instrumental Rock",
    "Ethnic", "Gothic", "Darkwave", "Techno-Industrial", "Electronic", "Pop-Folk", "Eurodance", "Dream",
    "Southern Rock", "Comedy", "Cult", "Gangsta", "Top 40", "Christian Rap", "Pop/Funk", "Jungle", "Native US",
    "Cabaret", "New Wave", "Psychedelic", "Rave", "Showtunes", "Trailer", "Lo-Fi", "Tribal", "Acid Punk", "Acid Jazz",
    "Polka", "Retro", "Musical", "Rock & Roll", "Hard Rock", "Folk", "Folk-Rock", "National Folk", "Swing",
    "Fast Fusion", "Bebop", "Latin", "Revival", "Celtic", "Bluegrass", "Avantgarde", "Gothic Rock",
    "Progressive Rock", "Psychedelic Rock", "Symphonic Rock", "Slow Rock", "Big Band", "Chorus", "Easy Listening",
    "Acoustic", "Humour", "Speech", "Chanson", "Opera", "Chamber Music", "Sonata", "Symphony", "Booty Bass", "Primus",
    "Porn Groove", "Satire", "Slow Jam", "Club", "Tango", "Samba", "Folklore", "Ballad", "Power Ballad",
    "Rhythmic Soul", "Freestyle", "Duet", "Punk Rock", "Drum Solo", "Acapella", "Euro-House", "Dance Hall", "Goa",
    "Drum & Bass", "Club-House", "Hardcore", "Terror", "Indie", "BritPop", "Afro-Punk", "Polsk Punk", "Beat",
    "Christian Gangsta", "Heavy Metal", "Black Metal", "Crossover", "Contemporary Christian", "Christian Rock", "Merengue",
    "Salsa", "Thrash Metal", "Anime", "JPop", "SynthPop",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_names() {
        for (text, expected) in [
            ("Rock", "Rock"),
            ("17", "Rock"),
            ("(17)", "Rock"),
            ("(17)Slow Rock", "Slow Rock"),
            ("(4)(RX)", "Disco"),
            ("(RX)", "Remix"),
            ("255", "255"),
            ("(my own", "(my own"),
            ("", ""),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
    }
}
