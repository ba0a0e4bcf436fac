//! The keys that control the music, on the full screen and below a command that plays.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use trill_player::command::{Command, Repeat, Seek, Shuffle, Volume};

/// How far an arrow key seeks.
const SEEK: Duration = Duration::from_secs(5);

/// How far an arrow key seeks with Shift.
const LONG_SEEK: Duration = Duration::from_secs(30);

/// How much a key changes the volume, in percent.
const VOLUME_STEP: u8 = 5;

/// The keys, for people.
pub const HELP: &str = "\
space                        pause, resume
n  p                         next, previous song
Left Right                   seek 5 s; 30 s with Shift
+  -                         volume
s  r                         shuffle on, off; repeat: off, all, one";

/// What a key may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Music {
    /// Whether music plays, or is about to.
    pub is_playing: bool,
    /// The order in which the queue plays.
    pub shuffle: Shuffle,
    /// What is repeated.
    pub repeat: Repeat,
}

/// The command of a key, if it controls the music.
pub fn command(key: KeyEvent, music: Music) -> Option<Command<'static>> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return None;
    }
    let seek = if key.modifiers.contains(KeyModifiers::SHIFT) { LONG_SEEK } else { SEEK };
    Some(match key.code {
        KeyCode::Char(' ') if music.is_playing => Command::Pause,
        KeyCode::Char(' ') => Command::Resume,
        KeyCode::Char('n') => Command::Next(None),
        KeyCode::Char('p') => Command::Previous,
        KeyCode::Left => Command::Seek(Seek::Back(seek)),
        KeyCode::Right => Command::Seek(Seek::Forward(seek)),
        KeyCode::Char('+' | '=') => Command::Volume(Some(Volume::Up(VOLUME_STEP))),
        KeyCode::Char('-') => Command::Volume(Some(Volume::Down(VOLUME_STEP))),
        KeyCode::Char('s') => Command::Shuffle(Some(match music.shuffle {
            Shuffle::Off => Shuffle::Songs,
            Shuffle::Songs | Shuffle::Albums => Shuffle::Off,
        })),
        KeyCode::Char('r') => Command::Repeat(Some(match music.repeat {
            Repeat::Off => Repeat::All,
            Repeat::All => Repeat::One,
            Repeat::One => Repeat::Off,
        })),
        _ => return None,
    })
}
