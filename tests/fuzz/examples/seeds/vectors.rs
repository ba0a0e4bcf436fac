//! The byte vectors of `wire-format.md`, as seeds.

use std::fs;
use std::path::Path;

use trill_proto::limits::PREAMBLE_BYTES;

use crate::Corpus;

/// Names and bytes of all vectors, and of both sides of the worked session.
pub(crate) fn read(document: &Path) -> Corpus {
    let text = fs::read_to_string(document).expect("the document is in the repository");
    let mut vectors = Corpus::new();
    for fence in text.split("\n```").filter(|part| part.starts_with("vector ") || part.starts_with("session")) {
        let (head, body) = fence.split_once('\n').expect("a fence has lines");
        if let Some(name) = head.strip_prefix("vector ") {
            vectors.push((name.trim().to_owned(), body.lines().flat_map(bytes).collect()));
        } else {
            vectors.extend(sides(body));
        }
    }
    vectors
}

/// All bytes of the client and all of the server, without preambles.
fn sides(session: &str) -> Corpus {
    let (mut client, mut server) = (Vec::new(), Vec::new());
    let mut is_client = true;
    for line in session.lines() {
        let (speaker, said) = line.split_at_checked(2).unwrap_or_default();
        is_client = if speaker == "  " || speaker.is_empty() { is_client } else { speaker == "C " };
        if is_client { &mut client } else { &mut server }.extend(bytes(said));
    }
    let frames = |name: &str, said: Vec<u8>| (name.to_owned(), said[PREAMBLE_BYTES..].to_vec());
    vec![frames("session-client", client), frames("session-server", server)]
}

/// The bytes of a line, without its remark.
fn bytes(line: &str) -> Vec<u8> {
    let digits: String = line.split(';').next().unwrap_or_default().split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned());
    pairs.map(|pair| u8::from_str_radix(&pair, 16).expect("hexadecimal digits")).collect()
}

/// The same bytes in pieces of three lengths.
pub(crate) fn frames(vectors: &Corpus) -> Corpus {
    let in_pieces = |frame: &Vec<u8>| [&[3, 1, 7, 30], frame.as_slice()].concat();
    vectors.iter().map(|(name, frame)| (name.clone(), in_pieces(frame))).collect()
}

/// The vectors that are one message.
pub(crate) fn messages(vectors: &Corpus) -> Corpus {
    vectors.iter().filter(|(name, _)| !name.starts_with("session-")).cloned().collect()
}
