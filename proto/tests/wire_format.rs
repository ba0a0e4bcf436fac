//! `wire-format.md` and the code say the same: this fails when a message, a field, a limit, a reason or an error code
//! exists on one side only, when a byte vector means something else, or when the worked session is not what the two
//! machines say.

#[path = "wire_format/dialogue.rs"]
mod dialogue;
#[path = "wire_format/vectors.rs"]
mod vectors;

use dialogue::Side;
use std::collections::{BTreeMap, BTreeSet};
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::limits;
use trill_proto::message::{EndReason, GoodbyeReason, Header, Message, MessageType, refusal};
use vectors::VECTORS;

const DOCUMENT: &str = include_str!("../../wire-format.md");
const LIMITS: &str = include_str!("../src/limits.rs");

// ── the document, taken apart ──

/// The lines between the heading that starts with `heading` and the next one of any level.
#[track_caller]
fn section(heading: &str) -> Vec<&'static str> {
    let mut lines = DOCUMENT.lines().skip_while(|line| !(line.starts_with('#') && line.contains(heading)));
    assert!(lines.next().is_some(), "no section {heading}");
    lines.take_while(|line| !line.starts_with('#')).collect()
}

/// The cells of the rows of the table in `lines` whose first column has this heading.
fn table(lines: &[&'static str], first_column: &str) -> Vec<Vec<&'static str>> {
    let is_head = |pair: &[&str]| pair[0].starts_with(&format!("| {first_column} |")) && pair[1].starts_with("|---");
    let rows = lines.windows(2).position(is_head).map_or(&[][..], |head| &lines[head + 2..]);
    let rows = rows.iter().take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The fences whose info string is `kind NAME`, with their names.
fn fences(kind: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut found = Vec::new();
    let mut lines = DOCUMENT.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| info.split(' ').next() == Some(kind)) else { continue };
        let name = info.split(' ').nth(1).unwrap_or_default();
        found.push((name, lines.by_ref().take_while(|line| *line != "```").collect()));
    }
    found
}

fn hex(line: &str) -> Vec<u8> {
    let digits: String = line.split(';').next().unwrap_or_default().split_whitespace().collect();
    assert!(digits.len().is_multiple_of(2), "odd number of digits in {line:?}");
    (0..digits.len() / 2)
        .map(|at| {
            u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap_or_else(|_| panic!("bad digits: {line:?}"))
        })
        .collect()
}

fn number(cell: &str) -> u64 {
    let digits: String = cell.split(' ').next().unwrap_or_default().chars().filter(|c| *c != ',').collect();
    digits.parse().unwrap_or_else(|_| panic!("not a number: {cell:?}"))
}

// ── vectors ──

#[test]
fn every_vector_means_what_it_says_and_is_written_back_the_same() {
    let documented: BTreeMap<_, _> = fences("vector").into_iter().collect();
    let known: BTreeSet<_> = VECTORS.iter().map(|(name, _)| *name).collect();
    assert_eq!(documented.keys().copied().collect::<BTreeSet<_>>(), known);
    for (name, expected) in VECTORS {
        let bytes: Vec<u8> = documented[name].iter().flat_map(|line| hex(line)).collect();
        let header = Header::decode(bytes[..8].try_into().unwrap());
        assert_eq!(usize::from(header.length), bytes.len() - 8, "{name}: payload length");
        let message = Message::decode(header, &bytes[8..]).unwrap_or_else(|_| panic!("{name} is malformed"));
        assert_eq!(message, *expected, "{name}");
        let mut written = [0xa5; 2_048];
        let length = message.encode(&mut written).unwrap();
        assert_eq!(written[..length], bytes[..], "{name}");
    }
}

#[test]
fn every_message_has_a_vector() {
    let shown: BTreeSet<_> = VECTORS.iter().map(|(_, message)| message.kind().name()).collect();
    let all: BTreeSet<_> = MessageType::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(shown, all);
}

#[test]
fn no_vector_can_be_shortened_or_lengthened_unnoticed() {
    for (name, message) in VECTORS {
        let mut bytes = vec![0; 2_048];
        let length = message.encode(&mut bytes).unwrap();
        let header = Header::decode(bytes[..8].try_into().unwrap());
        if matches!(message, Message::Data(..) | Message::Notice(..) | Message::Error(_)) {
            continue; // their payload ends in bytes or text of any length
        }
        for cut in 8..length {
            let shorter = Message::decode(header, &bytes[8..cut]);
            assert!(shorter.is_err() || shorter != Ok(*message), "{name} cut to {cut} bytes");
        }
        bytes.truncate(length);
        bytes.push(0);
        assert!(Message::decode(header, &bytes[8..]).is_err(), "{name} with a byte too many");
    }
}

// ── tables ──

#[test]
fn the_messages_are_the_same_on_both_sides() {
    let documented: BTreeSet<_> = table(&section("5. Messages"), "type")
        .iter()
        .map(|row| {
            let kind = u8::from_str_radix(row[0].trim_start_matches("0x"), 16).unwrap();
            (kind, row[1].trim_start_matches('[').split(']').next().unwrap())
        })
        .collect();
    let known: BTreeSet<_> = MessageType::ALL.iter().map(|kind| (kind.to_byte(), kind.name())).collect();
    assert_eq!(documented, known);
}

#[test]
fn the_fields_of_every_message_are_the_same_on_both_sides() {
    for (name, message) in VECTORS {
        if matches!(message, Message::Data(..) | Message::Notice(..)) {
            continue;
        }
        let kind = message.kind();
        let rows = table(&section(&format!("{kind} (0x{:02x})", kind.to_byte())), "offset");
        let documented: BTreeSet<_> =
            rows.iter().filter_map(|row| Some(row[2].strip_prefix('`')?.split('`').next()?.to_owned())).collect();
        assert_eq!(documented, fields(message), "{name}");
    }
}

/// The names of a message's fields, from how it prints itself.
fn fields(message: &Message<'_>) -> BTreeSet<String> {
    let printed = format!("{message:#?}");
    let own_fields = printed.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("        ").filter(|line| !line.starts_with(' '))?.split_once(':')?;
        Some(name.to_owned())
    });
    own_fields.collect()
}

#[test]
fn fixed_fields_follow_one_another_without_gap() {
    for kind in MessageType::ALL {
        let mut expected = 0;
        for row in table(&section(&format!("{kind} (0x{:02x})", kind.to_byte())), "offset") {
            let (Ok(offset), Ok(length)) = (row[0].parse::<usize>(), row[1].parse::<usize>()) else { continue };
            assert_eq!(offset, expected, "{kind}: {}", row[2]);
            expected = offset + length;
        }
    }
}

#[test]
fn the_limits_are_the_same_on_both_sides() {
    macro_rules! limits {
        ($($name:ident),* $(,)?) => { [$((stringify!($name), value(limits::$name))),*] };
    }
    let known: BTreeMap<_, _> = BTreeMap::from(limits![
        DEFAULT_PORT,
        VERSION,
        PREAMBLE_BYTES,
        HEADER_BYTES,
        MAX_PAYLOAD_BYTES,
        MAX_CONTROL_BYTES,
        MAX_CLIENT_CONTROL_BYTES,
        MIN_CONTROL_BYTES,
        MAX_TEXT_BYTES,
        MAX_QUERY_BYTES,
        MAX_NAME_BYTES,
        MAX_EXPLANATION_BYTES,
        MIN_DATA_BYTES,
        MAX_DATA_BYTES,
        DATA_FRAME_TIME,
        FIRST_CREDIT_BYTES,
        CREDIT_FLOOR_BYTES,
        CREDIT_SLACK,
        MAX_CREDIT_BYTES,
        MAX_STREAMS,
        MAX_LIST_PAGE_BYTES,
        MIN_BUFFER_BYTES,
        MAX_WAITING,
        COMMAND_BURST,
        COMMAND_TIME,
        MAX_UNSENT_BYTES,
        MAX_QUEUED_BYTES,
        HELLO_DEADLINE,
        PING_AFTER,
        CLOSE_AFTER,
        STALL_PING_AFTER,
        STALL_CLOSE_AFTER,
        ANSWER_TIMEOUT,
        DATA_TIMEOUT,
        SLOWEST_RATE,
        MAX_BITRATE,
        MAX_SONG_BYTES,
    ]);
    let declared: BTreeSet<_> =
        LIMITS.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect();
    assert_eq!(declared, known.keys().copied().collect(), "limits.rs and the list in this test");
    let documented: BTreeMap<_, _> =
        table(&section("11. Limits"), "name").iter().map(|row| (row[0], number(row[1]))).collect();
    assert_eq!(documented, known);
}

/// A limit as the document writes it: a number, or milliseconds.
trait Value {
    fn value(self) -> u64;
}

macro_rules! plain_value {
    ($($kind:ty),*) => { $(impl Value for $kind { fn value(self) -> u64 { self as u64 } })* };
}

plain_value!(u8, u16, u32, u64, usize);

impl Value for std::time::Duration {
    fn value(self) -> u64 {
        self.as_millis().try_into().expect("a limit in milliseconds")
    }
}

fn value(limit: impl Value) -> u64 {
    limit.value()
}

#[test]
fn the_error_codes_are_the_same_on_both_sides() {
    let documented: BTreeSet<_> =
        table(&section("12. Errors"), "code").iter().map(|row| (number(row[0]), row[1])).collect();
    let known: BTreeSet<_> = ErrorCode::ALL.iter().map(|(name, code)| (u64::from(code.0), *name)).collect();
    assert_eq!(documented, known);
}

#[test]
fn the_reasons_are_the_same_on_both_sides() {
    let documented = |heading| -> BTreeSet<_> {
        table(&section(heading), "reason").iter().map(|row| (number(row[0]), row[1])).collect()
    };
    let ends = EndReason::ALL.iter().map(|(name, reason)| (u64::from(reason.to_byte()), *name)).collect();
    assert_eq!(documented("END (0x16)"), ends);
    let goodbyes = GoodbyeReason::ALL.iter().map(|(name, reason)| (u64::from(reason.to_byte()), *name)).collect();
    assert_eq!(documented("GOODBYE (0x09)"), goodbyes);
    let refusals = [("not-trill", Refusal::NotTrill), ("mode", Refusal::Mode), ("busy", Refusal::Busy)];
    let refusals = refusals.map(|(name, why)| (u64::from(refusal(why)[4]), name)).into_iter().collect();
    assert_eq!(documented("3. Connection and preamble"), refusals);
}

// ── links and the worked session ──

#[test]
fn every_link_leads_somewhere() {
    let anchors: BTreeSet<_> =
        DOCUMENT.lines().filter_map(|line| line.strip_prefix("<a id=\"")?.split('"').next()).collect();
    let links: BTreeSet<_> =
        DOCUMENT.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap_or_default()).collect();
    assert_eq!(links.difference(&anchors).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn the_worked_session_is_what_the_machines_say() {
    let [(_, lines)] = &fences("session")[..] else { panic!("one worked session") };
    let mut documented: Vec<(Side, Vec<u8>)> = Vec::new();
    for line in lines.iter().filter(|line| !line.is_empty()) {
        match line.split_at(1) {
            ("C", rest) => documented.push((Side::Client, hex(rest))),
            ("S", rest) => documented.push((Side::Server, hex(rest))),
            _ => documented.last_mut().expect("a side first").1.extend(hex(line)),
        }
    }
    assert_eq!(dialogue::play(), documented);
}
