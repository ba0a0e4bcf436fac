//! Text on the wire is UTF-8 without a terminator, cut by the sender to a limit.

use crate::error::Malformed;

/// The longest prefix of `text` that has at most `limit` bytes and ends between two characters.
pub fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// The text in `bytes`, checked for its limit and for UTF-8.
pub(super) fn decode(bytes: &[u8], limit: usize) -> Result<&str, Malformed> {
    if bytes.len() > limit {
        return Err(Malformed);
    }
    core::str::from_utf8(bytes).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, limit: usize, expected: &str) {
        assert_eq!(cut(text, limit), expected);
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        check("motet", 5, "motet");
        check("motet", 4, "mote");
        check("Dvořák", 4, "Dvo");
        check("Dvořák", 5, "Dvoř");
        check("夜想曲", 2, "");
        check("夜想曲", 300, "夜想曲");
    }
}
