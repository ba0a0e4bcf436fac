//! Text from the network, made harmless for a terminal.

/// The characters of `text` without all that a terminal would obey or hide: control characters, whole escape sequences,
/// and invisible formatting that can make one text look like another. Line breaks, tabs and other white space become
/// plain spaces.
///
/// Everything that came over the network goes through here before it is shown.
///
/// ```
/// use trill_proto::text::visible;
///
/// assert!(visible("a\u{1b}[2J\r\nb").eq("a  b".chars()));
/// ```
pub fn visible(text: &str) -> Visible<'_> {
    Visible { rest: text }
}

/// See [`visible`].
#[derive(Clone, Debug)]
pub struct Visible<'a> {
    rest: &'a str,
}

impl Iterator for Visible<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let mut chars = self.rest.chars();
            let char = chars.next()?;
            let rest = chars.as_str();
            self.rest = match char {
                '\u{1b}' => after_escape(rest),
                '\u{9b}' => after_control_sequence(rest),
                '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => after_control_string(rest),
                _ => rest,
            };
            if char.is_whitespace() {
                return Some(' ');
            }
            if is_visible(char) {
                return Some(char);
            }
        }
    }
}

/// Whether a terminal shows it, rather than obeying or hiding it.
pub fn is_visible(char: char) -> bool {
    !char.is_control() && !is_invisible(char)
}

/// What follows an escape sequence (ECMA-48, 5.3) whose ESC has just been read.
fn after_escape(rest: &str) -> &str {
    if let Some(rest) = rest.strip_prefix('[') {
        return after_control_sequence(rest);
    }
    if let Some(rest) = rest.strip_prefix([']', 'P', 'X', '^', '_']) {
        return after_control_string(rest);
    }
    let rest = rest.trim_start_matches(|char| matches!(char, ' '..='/'));
    rest.strip_prefix(|char| matches!(char, '0'..='~')).unwrap_or(rest)
}

/// What follows a control sequence such as a change of colour: parameters, intermediate bytes, one final byte.
fn after_control_sequence(rest: &str) -> &str {
    let rest = rest.trim_start_matches(|char| matches!(char, '0'..='?'));
    let rest = rest.trim_start_matches(|char| matches!(char, ' '..='/'));
    rest.strip_prefix(|char| matches!(char, '@'..='~')).unwrap_or(rest)
}

/// What follows a control string such as a window title, which ends with BEL or ST. One that does not end is kept as
/// text: it may be the rest of the title.
fn after_control_string(rest: &str) -> &str {
    let Some(end) = rest.find(['\u{7}', '\u{9c}', '\u{1b}']) else {
        return rest;
    };
    let end = &rest[end..];
    // ST is one character, or ESC and a backslash; any other ESC starts a sequence of its own.
    end.strip_prefix("\u{1b}\\").or_else(|| end.strip_prefix(['\u{7}', '\u{9c}'])).unwrap_or(end)
}

/// Unicode's `Default_Ignorable_Code_Point`s and the interlinear annotation marks, but for ZERO WIDTH NON-JOINER,
/// which Persian spelling needs.
///
/// ZERO WIDTH JOINER and the variation selectors are among them: whether a terminal draws a joined emoji two columns
/// wide or six differs from one to the next, and without the joiner all of them agree.
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200d}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
