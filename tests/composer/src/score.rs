//! Music as text: a notation to be typed and read, and its translation into notes.
//!
//! A part is a row of tokens separated by white space. Time is counted in *units*, the shortest note value of
//! the piece.
//!
//! | token | meaning |
//! |---|---|
//! | `F#5` `Bb3` | a note one unit long; octaves as on a piano, C4 is middle C |
//! | `F#5:3` | the same, three units long |
//! | `D3+A3+F#4:6` | a chord |
//! | `~D3+A3+F#4:6` | a chord rolled from the first note to the last |
//! | `x` | a stroke without pitch |
//! | `>D4` | an accent |
//! | `.` `.:3` | a rest |
//! | `pp` `p` `mp` `mf` `f` | from here on, this loud |
//! | `p<` `f>` | from here, grow or fade evenly to the next dynamic |
//! | `\|` | a bar line: the bar before it must be full |
//! | `%` | the bar before once more, at the present dynamic |

use std::fmt;

/// The pitch that `x` stands for; instruments that take `x` ignore it.
const UNPITCHED: f64 = 60.0;

/// Delay between the notes of a rolled chord, in units.
const ROLL_UNITS: f64 = 0.16;

/// One note of a part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Note {
    /// When it begins, in units from the start of the piece.
    pub(crate) start: f64,
    /// How long it is held, in units.
    pub(crate) length: f64,
    /// MIDI pitch: 60 is middle C, 1 is a semitone.
    pub(crate) pitch: f64,
    /// How hard it is played, 0 to 1.
    pub(crate) level: f64,
}

/// The error of a part. Every variant is a typing error in [`crate::songs`].
#[derive(Debug, PartialEq)]
pub enum ScoreError {
    /// An unknown token.
    Unknown(String),
    /// A bar with too many or too few units.
    UnevenBar {
        /// The bar, from 1.
        bar: usize,
        /// Its units.
        units: f64,
    },
}

impl fmt::Display for ScoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(token) => write!(f, "`{token}` is not in the notation"),
            Self::UnevenBar { bar, units } => write!(f, "bar {bar} holds {units} units"),
        }
    }
}

impl std::error::Error for ScoreError {}

/// Reads a part in bars of `bar_units`. Notes come back in the order of the text.
pub(crate) fn read(text: &str, bar_units: f64) -> Result<Vec<Note>, ScoreError> {
    let mut reader = Reader { bar_units, ..Reader::default() };
    for token in text.split_whitespace() {
        reader.token(token)?;
    }
    reader.end_bar()?;
    reader.shape_dynamics();
    Ok(reader.notes)
}

#[derive(Default)]
struct Reader {
    bar_units: f64,
    now: f64,
    bar_start: f64,
    notes: Vec<Note>,
    dynamics: Vec<Dynamic>,
}

struct Dynamic {
    start: f64,
    level: f64,
    /// Whether the level moves towards that of the next dynamic.
    hairpin: bool,
}

impl Reader {
    fn token(&mut self, token: &str) -> Result<(), ScoreError> {
        if let Some(dynamic) = dynamic(token, self.now) {
            self.dynamics.push(dynamic);
            return Ok(());
        }
        match token {
            "|" => self.end_bar(),
            "%" => {
                self.repeat_bar();
                Ok(())
            }
            _ => self.notes(token).ok_or_else(|| ScoreError::Unknown(token.to_owned())),
        }
    }

    fn end_bar(&mut self) -> Result<(), ScoreError> {
        let units = self.now - self.bar_start;
        if units != self.bar_units {
            let bar = (self.bar_start / self.bar_units) as usize + 1;
            return Err(ScoreError::UnevenBar { bar, units });
        }
        self.bar_start = self.now;
        Ok(())
    }

    /// `%` stands alone between bar lines, so the bar to copy is the one that ended at `bar_start`.
    fn repeat_bar(&mut self) {
        let previous = self.bar_start - self.bar_units;
        let copies: Vec<Note> = self.notes.iter().filter(|note| note.start >= previous).cloned().collect();
        self.notes.extend(copies.into_iter().map(|note| Note { start: note.start + self.bar_units, ..note }));
        self.now += self.bar_units;
    }

    /// Parses a note, chord or rest; `None` for anything else.
    fn notes(&mut self, token: &str) -> Option<()> {
        let (head, length) = match token.split_once(':') {
            Some((head, length)) => (head, f64::from(length.parse::<u8>().ok()?)),
            None => (token, 1.0),
        };
        let (accent, head) = strip(head, '>');
        let (rolled, head) = strip(head, '~');
        if head != "." {
            for (index, name) in head.split('+').enumerate() {
                let delay = if rolled { ROLL_UNITS * index as f64 } else { 0.0 };
                self.notes.push(Note {
                    start: self.now + delay,
                    length: length - delay,
                    pitch: pitch(name)?,
                    level: if accent { 1.25 } else { 1.0 },
                });
            }
        }
        self.now += length;
        Some(())
    }

    /// Multiplies each note's accent by the dynamic in force where it begins.
    fn shape_dynamics(&mut self) {
        for note in &mut self.notes {
            let next = self.dynamics.partition_point(|dynamic| dynamic.start <= note.start);
            let Some(from) = next.checked_sub(1).map(|index| &self.dynamics[index]) else { continue };
            let level = match self.dynamics.get(next) {
                Some(to) if from.hairpin => {
                    from.level + (to.level - from.level) * (note.start - from.start) / (to.start - from.start)
                }
                _ => from.level,
            };
            note.level *= level;
        }
    }
}

fn strip(token: &str, mark: char) -> (bool, &str) {
    token.strip_prefix(mark).map_or((false, token), |rest| (true, rest))
}

fn dynamic(token: &str, start: f64) -> Option<Dynamic> {
    let name = token.trim_end_matches(['<', '>']);
    let level = match name {
        "pp" => 0.30,
        "p" => 0.42,
        "mp" => 0.54,
        "mf" => 0.67,
        "f" => 0.80,
        _ => return None,
    };
    Some(Dynamic { start, level, hairpin: name != token })
}

/// MIDI pitch of a name such as `C4`, `F#5` or `Bb3`.
fn pitch(name: &str) -> Option<f64> {
    if name == "x" {
        return Some(UNPITCHED);
    }
    let mut letters = name.chars();
    let step = match letters.next()? {
        'C' => 0.0,
        'D' => 2.0,
        'E' => 4.0,
        'F' => 5.0,
        'G' => 7.0,
        'A' => 9.0,
        'B' => 11.0,
        _ => return None,
    };
    let (sharp, octave) = strip(letters.as_str(), '#');
    let (flat, octave) = strip(octave, 'b');
    let octave: u8 = octave.parse().ok()?;
    Some(12.0 * (f64::from(octave) + 1.0) + step + f64::from(sharp) - f64::from(flat))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `text` in bars of four units and lists `start+length pitch` of each note.
    #[track_caller]
    fn check(text: &str, expected: &[(f64, f64, f64)]) {
        let notes = read(text, 4.0).expect("the part is well formed");
        let found: Vec<_> = notes.iter().map(|note| (note.start, note.length, note.pitch)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn pitches_lengths_rests_and_chords() {
        check("C4:4", &[(0.0, 4.0, 60.0)]);
        check("A4 .:2 Bb3", &[(0.0, 1.0, 69.0), (3.0, 1.0, 58.0)]);
        check("F#5+A5:4", &[(0.0, 4.0, 78.0), (0.0, 4.0, 81.0)]);
        check("~C4+E4:4", &[(0.0, 4.0, 60.0), (ROLL_UNITS, 4.0 - ROLL_UNITS, 64.0)]);
        check("x .:3 | %", &[(0.0, 1.0, 60.0), (4.0, 1.0, 60.0)]);
        check(".:4 | .:3 D4 | % | %", &[(7.0, 1.0, 62.0), (11.0, 1.0, 62.0), (15.0, 1.0, 62.0)]);
    }

    #[test]
    fn dynamics_hold_and_hairpins_move() {
        let levels = |text| read(text, 4.0).map(|notes| notes.iter().map(|note| note.level).collect::<Vec<_>>());
        assert_eq!(levels("p C4:2 f C4:2"), Ok(vec![0.42, 0.80]));
        assert_eq!(levels("f >C4:4"), Ok(vec![1.0]));
        assert_eq!(levels("f> C4:2 C4:2 | p C4:4"), Ok(vec![0.80, 0.80 + (0.42 - 0.80) * 0.5, 0.42]));
    }

    #[test]
    fn slips_are_reported() {
        for token in ["H4", "C", "C4:", "C4:-1", "C#b4x", "C4+", "q", "é"] {
            assert_eq!(read(token, 4.0), Err(ScoreError::Unknown(token.to_owned())));
        }
        assert_eq!(read("C4:4 | C4:3 | C4:4", 4.0), Err(ScoreError::UnevenBar { bar: 2, units: 3.0 }));
        assert_eq!(read("C4:4 | C4:5", 4.0), Err(ScoreError::UnevenBar { bar: 2, units: 5.0 }));
    }
}
