//! The three songs: notes, instruments and room.

use crate::instrument::{Blown, Instrument, Partial, Plucked, Shaken, Struck};
use crate::mixer::{Arrangement, Part, Place, Tempo};
use crate::reverb::Room;
use crate::score::ScoreError;
use crate::wav::Pcm;

/// A piece of music and how it is published.
pub struct Song {
    /// Place on the album, from 1.
    pub track: u8,
    /// Its name, for the tag and the file.
    pub title: &'static str,
    /// Options for `lame` that choose the format.
    pub(crate) encoding: &'static [&'static str],
    arrangement: Arrangement,
}

impl Song {
    /// Name of the file it is published as: `01 Title.mp3`.
    pub fn file_name(&self) -> String {
        format!("{:02} {}.mp3", self.track, self.title)
    }

    /// Performs the piece; the same samples every time, on every machine.
    ///
    /// # Errors
    /// A typing error in the score.
    pub fn render(&self) -> Result<Pcm, ScoreError> {
        self.arrangement.render()
    }
}

/// All three, in the order of the album. They differ in format as well as in character: constant, variable and average
/// bitrate, MPEG-1 and MPEG-2, stereo and mono. `--resample` keeps lame from choosing another sample rate at low
/// bitrates.
pub fn songs() -> [Song; 3] {
    [paper_kites(), lantern_light(), three_swifts()]
}

/// A dance for plucked strings: eight bars of four beats in eighths, grouped 3+3+2, over a bass that walks
/// down the scale from the fifth bar on. G major.
fn paper_kites() -> Song {
    let mandolin = |notes, level_db, pan| Part {
        instrument: Instrument::Plucked(Plucked { brightness: 0.5, position: 0.17, half_life: 0.38, damping: 0.22 }),
        notes,
        place: Place { level_db, pan, spread: 0.05, room_db: -12.0 },
        pedal: 0.0,
    };
    let guitar = Part {
        instrument: Instrument::Plucked(Plucked { brightness: 0.28, position: 0.27, half_life: 0.5, damping: 0.3 }),
        notes: "mp >G3 B3 D4 >G4 D4 B3 >D4 B3 | >G3 C4 E4 C4 >A3 D4 F#4 D4
                | >G3 B3 E4 >G4 E4 B3 >E4 B3 | >G3 C4 E4 C4 >A3 D4 F#4 D4
                | mf >G3 C4 E4 >G4 E4 C4 >E4 C4 | >B3 D4 G4 D4 >A3 C4 E4 C4
                | >B3 D4 G4 D4 >A3 C4 F#4 C4 | >G3 B3 E4 B3 >A3 C4 F#4 C4 | ~G3+B3+D4+G4:8",
        place: Place { level_db: -6.0, pan: -0.35, spread: 0.0, room_db: -14.0 },
        pedal: 2.0,
    };
    let bass = Part {
        instrument: Instrument::Plucked(Plucked { brightness: 0.09, position: 0.3, half_life: 0.45, damping: 0.35 }),
        notes: "mf .:8 | .:6 D2 D2 | E2:3 B2:3 E2:2 | C2:3 G2 D2:3 A2 | C3:3 G2:3 C3:2 | B2:3 D3 A2:3 E2
                | G2:3 D2 F#2:3 D2 | E2:3 B2 D2:2 F#2:2 | G2:8",
        place: Place { level_db: -2.0, pan: 0.0, spread: 0.0, room_db: -20.0 },
        pedal: 0.0,
    };
    let shaker = Part {
        instrument: Instrument::Shaken(Shaken { attack: 0.015, half_life: 0.014 }),
        notes: ".:8 | .:8 | p x x >x x x x >x x | % | mp x x >x x x x >x x | % | % | % | >x .:7",
        place: Place { level_db: -2.0, pan: 0.25, spread: 0.0, room_db: -18.0 },
        pedal: 0.0,
    };
    let wood_block = Part {
        instrument: Instrument::Struck(Struck {
            partials: &[
                Partial { ratio: 1.0, level: 1.0, half_life: 0.02 },
                Partial { ratio: 2.57, level: 0.3, half_life: 0.01 },
            ],
            softness: 0.0,
            detune_cents: 0.0,
            contact: 0.0015,
            release: 0.05,
        }),
        notes: ".:8 | % | % | .:6 A5 E5 | mp >A5 .:2 A5 .:2 E5:2 | % | % | >A5 .:2 A5 E5 .:3 | A5 .:7",
        place: Place { level_db: -11.0, pan: -0.2, spread: 0.0, room_db: -12.0 },
        pedal: 0.0,
    };
    let tune = "mf >D5 G5:2 A5 >B5:2 A5 G5 | >E5 G5:2 E5 D5:3 .
                | >D5 G5:2 A5 >B5:2 D6 B5 | >C6 B5:2 G5 A5:3 .
                | f E5 >G5:2 C6 >C6 B5 A5 G5 | >B5 D6:2 B5 >A5 C6:2 A5
                | >G5 B5:2 G5 >F#5 A5:2 F#5 | >E5 G5:2 B5 >D6 C6 A5 F#5 | >G5:8";
    let second = ".:8 | % | % | .:8
                | mp C5 E5:2 G5 A5 G5 F#5 E5 | G5 B5:2 G5 E5 A5:2 E5
                | D5 G5:2 D5 D5 F#5:2 D5 | B4 E5:2 G5 F#5 A5 F#5 C5 | B4:8";
    Song {
        track: 1,
        title: "Paper Kites",
        encoding: &["--cbr", "-b", "64", "-m", "j", "-q", "2", "--resample", "44.1", "--lowpass", "11.5"],
        arrangement: Arrangement {
            tempo: Tempo { units_per_minute: 296.0, slow_from: 60.0, slow_to: 64.0, slow_by: 1.15 },
            bar_units: 8.0,
            seconds: 15.0,
            rate: 44_100,
            channels: 2,
            peak_db: -2.4,
            room: Room { size: 0.6, decay: 1.1, damping_hz: 4500.0 },
            parts: vec![mandolin(tune, 3.0, 0.1), mandolin(second, -2.0, 0.4), guitar, bass, shaker, wood_block],
        },
    }
}

/// A nocturne for celesta, piano and quiet strings, in six eighths; a sigh into minor near the end of each
/// phrase. D major.
fn lantern_light() -> Song {
    let celesta = Part {
        instrument: Instrument::Struck(Struck {
            partials: &[
                Partial { ratio: 1.0, level: 1.0, half_life: 0.55 },
                Partial { ratio: 2.0, level: 0.3, half_life: 0.35 },
                Partial { ratio: 3.0, level: 0.14, half_life: 0.2 },
                Partial { ratio: 4.02, level: 0.2, half_life: 0.1 },
                Partial { ratio: 6.3, level: 0.1, half_life: 0.04 },
            ],
            softness: 0.5,
            detune_cents: 2.0,
            contact: 0.003,
            release: 0.12,
        }),
        notes: "mp F#5:3 A5:2 B5 | A5:3 F#5:2 E5 | D5:3 F#5:2 G5 | E5:4 F#5 G5
                | mf A5:3 D6:2 C#6 | mf> B5:3 Bb5:2 A5 | mp F#5:3 E5:2 C#5 | D5:3 p> E5:3
                | F#5:3 A5 D6:2",
        place: Place { level_db: 3.0, pan: 0.05, spread: 0.05, room_db: -11.0 },
        pedal: 3.0,
    };
    let piano = Part {
        instrument: Instrument::Struck(Struck {
            // Stretched by stiffness: n * sqrt(1 + 0.0004 n^2).
            partials: &[
                Partial { ratio: 1.0002, level: 1.0, half_life: 0.9 },
                Partial { ratio: 2.0016, level: 0.55, half_life: 0.7 },
                Partial { ratio: 3.0054, level: 0.32, half_life: 0.5 },
                Partial { ratio: 4.0128, level: 0.2, half_life: 0.4 },
                Partial { ratio: 5.0250, level: 0.1, half_life: 0.3 },
                Partial { ratio: 6.0430, level: 0.07, half_life: 0.22 },
                Partial { ratio: 7.0680, level: 0.02, half_life: 0.16 },
                Partial { ratio: 8.1020, level: 0.03, half_life: 0.12 },
            ],
            softness: 0.6,
            detune_cents: 1.5,
            contact: 0.004,
            release: 0.1,
        }),
        notes: "p D3 A3 F#4 A4 F#4 A3 | B2 F#3 D4 A4 D4 F#3 | G2 D3 B3 F#4 B3 D3 | A2 E3 D4 G4 C#4 E3
                | mp F#2 D3 A3 F#4 A3 D3 | G2 D3 B3 E4 Bb3 D3 | p A2 F#3 D4 A2 G3 C#4 | D3 A3 F#4 D3 Bb3 G4
                | ~D2+A2+D3+F#3+A3:6",
        place: Place { level_db: -4.0, pan: -0.1, spread: 0.12, room_db: -15.0 },
        pedal: 6.0,
    };
    let strings = Part {
        instrument: Instrument::Blown(Blown {
            harmonics: &[1.0, 0.5, 0.28, 0.16, 0.08, 0.05, 0.03],
            softness: 0.3,
            attack: 0.7,
            release: 0.9,
            vibrato_cents: 5.0,
            detune_cents: 7.0,
            breath: 0.0,
        }),
        notes: "pp A3+D4+F#4:6 | A3+D4+F#4:6 | B3+D4+F#4:6 | A3+D4+E4:3 A3+C#4+E4:3
                | p A3+D4+F#4:6 | B3+D4+G4:3 Bb3+D4+G4:3 | A3+D4+F#4:3 A3+C#4+G4:3 | A3+D4+F#4:3 Bb3+D4+G4:3
                | pp A3+D4+F#4:6",
        place: Place { level_db: -14.0, pan: 0.0, spread: 0.35, room_db: -9.0 },
        pedal: 0.0,
    };
    Song {
        track: 2,
        title: "Lantern Light",
        encoding: &["-V", "9", "-m", "j", "-q", "2", "--resample", "44.1"],
        arrangement: Arrangement {
            tempo: Tempo { units_per_minute: 222.0, slow_from: 42.0, slow_to: 52.0, slow_by: 1.5 },
            bar_units: 6.0,
            seconds: 16.3,
            rate: 44_100,
            channels: 2,
            peak_db: -4.7,
            room: Room { size: 1.3, decay: 2.4, damping_hz: 3500.0 },
            parts: vec![celesta, piano, strings],
        },
    }
}

/// A strict canon for three flutes, each two bars behind the one before, the third an octave below; in the
/// last two bars the first flute turns the theme towards its close, in major. D minor.
fn three_swifts() -> Song {
    let flute = |notes, level_db| Part {
        instrument: Instrument::Blown(Blown {
            harmonics: &[1.0, 0.42, 0.2, 0.09, 0.05, 0.02],
            softness: 0.5,
            attack: 0.06,
            release: 0.12,
            vibrato_cents: 9.0,
            detune_cents: 0.0,
            breath: 0.05,
        }),
        notes,
        place: Place { level_db, pan: 0.0, spread: 0.0, room_db: -8.0 },
        pedal: 0.0,
    };
    // Two bars each: the theme, its answer, its descant, and what leads home.
    let first = "mp D5:3 E5 F5:2 E5 D5 | Bb4:2 D5:2 C#5:2 D5 E5
               | F5 G5 A5:2 D6:2 C6 Bb5 | G5 A5 Bb5 G5 A5:3 G5
               | mf A5:2 D6:2 Bb5:2 A5 F5 | D6:4 E6:2 D6 C#6
               | D6:2 F5:4 E5 D5 | Bb5:2 G5:4 F5 E5 | F#5:4 .:4";
    let second = ".:8 | .:8
               | mp D5:3 E5 F5:2 E5 D5 | Bb4:2 D5:2 C#5:2 D5 E5
               | F5 G5 A5:2 D6:2 C6 Bb5 | G5 A5 Bb5 G5 A5:3 G5
               | mf A5:2 D6:2 Bb5:2 A5 F5 | D6:4 E6:2 D6 C#6 | D6:4 .:4";
    let third = ".:8 | .:8 | .:8 | .:8
               | mf D4:3 E4 F4:2 E4 D4 | Bb3:2 D4:2 C#4:2 D4 E4
               | F4 G4 A4:2 D5:2 C5 Bb4 | G4 A4 Bb4 G4 A4:4 | D4:5 .:3";
    Song {
        track: 3,
        title: "Three Swifts",
        encoding: &["--abr", "24", "-m", "m", "-q", "2", "--resample", "22.05"],
        arrangement: Arrangement {
            tempo: Tempo { units_per_minute: 232.0, slow_from: 60.0, slow_to: 65.0, slow_by: 1.7 },
            bar_units: 8.0,
            seconds: 20.0,
            rate: 22_050,
            channels: 1,
            peak_db: -3.8,
            room: Room { size: 1.1, decay: 2.0, damping_hz: 3500.0 },
            parts: vec![flute(first, 0.0), flute(second, -1.0), flute(third, 1.0)],
        },
    }
}
