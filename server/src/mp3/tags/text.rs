//! Text in tags: four encodings, often not the declared one.

/// CP1252 for the bytes 0x80 to 0x9f. Five are undefined. In Latin-1 these are control characters, so text that is
/// declared Latin-1 and has such bytes is CP1252.
const CP1252: [char; 32] = [
    '€', '?', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '?', 'Ž', '?', //
    '?', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '?', 'ž', 'Ÿ',
];

/// What stands between several values.
pub(super) const VALUE_SEPARATOR: &str = " / ";

/// Decodes the content of an ID3v2 text frame: a byte for the encoding and the text. Several values are separated by NULs
/// and are joined with " / ". `None` if there is no such encoding.
///
/// ```text
///  0 Latin-1   1 UTF-16 with a byte-order mark   2 UTF-16, big-endian   3 UTF-8      ID3v2.4.0 structure, 4
/// ```
pub(super) fn decode(content: &[u8]) -> Option<String> {
    let (&encoding, text) = content.split_first()?;
    let text = match (encoding, text) {
        // Single-byte text does not begin with the bytes of a byte-order mark.
        (0..=3, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) => utf_16(text, Endian::Little),
        (0, _) => latin_1(text),
        (1, _) => utf_16(text, likely_endian(text, Endian::Little)),
        (2, _) => utf_16(text, likely_endian(text, Endian::Big)),
        (3, _) => utf_8(text),
        _ => return None,
    };
    Some(join_values(&text))
}

/// Decodes single-byte text.
pub(super) fn latin_1(bytes: &[u8]) -> String {
    let character = |&byte: &u8| match byte {
        0x80..=0x9f => CP1252[usize::from(byte - 0x80)],
        _ => char::from(byte),
    };
    bytes.iter().map(character).collect()
}

/// The values between NULs, which also pad short texts. Skips values without a visible character.
pub(super) fn join_values(text: &str) -> String {
    let is_blank = |character: char| character.is_whitespace() || character.is_control();
    let values = text.split('\0').map(|value| value.trim_matches(is_blank)).filter(|value| !value.is_empty());
    values.collect::<Vec<_>>().join(VALUE_SEPARATOR)
}

/// The number at the start of a text such as "3", " 03 " or "3/12". 0 if there is none or it is too large.
pub(super) fn leading_number(text: &str) -> u16 {
    let text = text.trim_start();
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

fn utf_8(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).replace(char::REPLACEMENT_CHARACTER, "?")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endian {
    Little,
    Big,
}

/// The byte order of text without a mark: the `usual` one, unless most characters are letters of an alphabet in the other
/// order and fewer are in the usual one. A zero byte alone proves little: U+4E00 is a Chinese and Japanese word.
fn likely_endian(bytes: &[u8], usual: Endian) -> Endian {
    /// High byte of the last of Latin, Greek, Cyrillic, Hebrew and Arabic.
    const LAST_ALPHABET: u8 = 0x06;
    let (pairs, _) = bytes.as_chunks::<2>();
    let is_filled = |pair: &&[u8; 2]| **pair != [0, 0];
    let letters = |high: usize| pairs.iter().filter(is_filled).filter(|pair| pair[high] <= LAST_ALPHABET).count();
    let (as_usual, other_way, other) = match usual {
        Endian::Little => (letters(1), letters(0), Endian::Big),
        Endian::Big => (letters(0), letters(1), Endian::Little),
    };
    let characters = pairs.iter().filter(is_filled).count();
    // Big-endian is the standard without a mark, so a single character does not disprove it.
    let is_enough = characters > 1 || usual == Endian::Little;
    if is_enough && other_way > as_usual && other_way > characters / 2 { other } else { usual }
}

/// Decodes UTF-16. Each value may have a byte-order mark, which overrides `endian`. Leaves out half a character at the end and
/// half a surrogate pair.
fn utf_16(bytes: &[u8], mut endian: Endian) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().filter_map(|&pair| {
        match pair {
            [0xff, 0xfe] => endian = Endian::Little,
            [0xfe, 0xff] => endian = Endian::Big,
            _ if endian == Endian::Little => return Some(u16::from_le_bytes(pair)),
            _ => return Some(u16::from_be_bytes(pair)),
        }
        None
    });
    char::decode_utf16(units).filter_map(Result::ok).collect()
}
