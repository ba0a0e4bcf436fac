//! Text without case and accents, and the order in which people expect names.

use std::borrow::Cow;
use std::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Appends `text` without case and accents: compatibility decomposition without marks, in lower case. Letters that have no
/// decomposition become what people type for them, such as "ss" for "ß".
pub(super) fn fold_into(text: &str, folded: &mut String) {
    if text.is_ascii() {
        folded.push_str(text);
        let start = folded.len() - text.len();
        if let Some(added) = folded.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        return;
    }
    let base = text.nfkd().filter(|character| !is_combining_mark(*character));
    for character in base.flat_map(char::to_lowercase) {
        match character {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ł' => folded.push('l'),
            'ŧ' => folded.push('t'),
            'ς' => folded.push('σ'), // the same letter at the end of a word
            _ => folded.push(character),
        }
    }
}

/// `text` without case and accents: see [`fold_into`].
pub(super) fn folded(text: &str) -> String {
    let mut folded = String::new();
    fold_into(text, &mut folded);
    folded
}

/// Compares two names without case and accents, numbers by their value: "2" before "10".
pub(super) fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (a, b) = (folded_unless_ascii(a), folded_unless_ascii(b));
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a, b) {
            ([], _) | (_, []) => return a.len().cmp(&b.len()),
            ([x, ..], [y, ..]) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let ((x, rest_of_a), (y, rest_of_b)) = (take_number(a), take_number(b));
                let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_of_a, rest_of_b);
            }
            ([x, rest_of_a @ ..], [y, rest_of_b @ ..]) => {
                // UTF-8 orders like the characters.
                let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_of_a, rest_of_b);
            }
        }
    }
}

/// ASCII is returned as it is: its case is folded byte by byte.
fn folded_unless_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { text.into() } else { folded(text).into() }
}

/// The digits at the beginning without leading zeros, and what follows them.
fn take_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(folded(text), expected, "{text}");
    }

    #[test]
    fn case_and_accents_are_removed() {
        check("BJÖRK", "bjork");
        check("Bjo\u{308}rk", "bjork");
        check("Sigur Rós", "sigur ros");
        check("Dvořák", "dvorak");
        check("İstanbul ısı", "istanbul isi");
        check("ﬁn Ⅷ ２", "fin viii 2");
        check("Мой Ёж", "мои еж");
        check("ΛΌΓΟΣ", "λογοσ");
        check("夜想曲", "夜想曲");
    }

    #[test]
    fn letters_without_a_decomposition_become_what_people_type() {
        check("Straße STRASSE ẞ", "strasse strasse ss");
        check("Ørsted Æther Łódź Œuvre Þórr", "orsted aether lodz oeuvre thorr");
    }

    #[test]
    fn names_are_in_natural_order() {
        let names =
            ["", "1", "01 a", "2", "10", "10 b", "A2", "a10", "Árbol", "arboles", "B", "é", "F", "ß", "z", "夜"];
        for (place, name) in names.iter().enumerate() {
            for (other_place, other) in names.iter().enumerate() {
                assert_eq!(natural_cmp(name, other), place.cmp(&other_place), "{name} {other}");
            }
        }
        assert_eq!(natural_cmp("Track 007", "TRACK 7"), Ordering::Equal);
        assert_eq!(natural_cmp("99999999999999999999998", "99999999999999999999999"), Ordering::Less);
    }
}
