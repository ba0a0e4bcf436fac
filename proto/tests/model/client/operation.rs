//! What is done to a client: operations, and how to draw them.

use super::TAKES;
use crate::wire::{Said, Wait, bad_preamble, control_kind, piece, wait};
use proptest::prelude::*;
use trill_proto::error::Refusal;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{Credit, EndReason, Hello, List, Message, PREAMBLE, Stop, refusal};
/// One step. Ids and amounts are relative to what is going on, so that most of them hit something.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Hears { line: Line, piece: usize },
    Transmits,
    Lists,
    AsksInfo,
    Plays { capacity: u32, occupied: u32, resumes: bool },
    Stops,
    Releases { whose: Id, bytes: Amount },
    Waits(Wait),
    SaysGoodbye,
}

#[derive(Clone, Debug)]
pub(crate) enum Line {
    Welcome {
        version: u8,
        max_credit: u32,
    },
    /// An answer to the request that has waited longest, or to none: the song that was asked for, or so many numbers after
    /// the last of the list.
    Song {
        is_asked: bool,
        step: u32,
    },
    /// The end of the list, or the next page so many numbers after the last song.
    ListEnd {
        is_asked: bool,
        step: Option<u32>,
    },
    Started {
        id: Id,
        size_bytes: u64,
        resumes_right: bool,
    },
    Data {
        id: Id,
        length: Amount,
    },
    End {
        id: Id,
        reason: EndReason,
    },
    Error {
        id: Id,
        code: u16,
    },
    Ping(u64),
    /// The answer to a PING of so long ago, whether there was one, or to the last.
    Pong {
        micros_ago: Option<u64>,
    },
    Goodbye,
    Other(Said),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Id {
    Zero,
    Current,
    /// Of the PLAY that waits for an answer the longest.
    Oldest,
    /// Of the newest that does.
    Newest,
    /// The largest that was used for anything.
    Last,
    /// One before that.
    Older,
    /// One that was not used yet.
    Unused,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Bytes(u16),
    /// All that is possible: the credit that is left, or what the buffer holds.
    All,
    AllButOne,
    OneTooMany,
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        1 => Just(Id::Zero),
        40 => Just(Id::Current),
        16 => Just(Id::Oldest),
        16 => Just(Id::Newest),
        3 => Just(Id::Last),
        6 => Just(Id::Older),
        1 => Just(Id::Unused),
    ]
}

fn line() -> impl Strategy<Value = Line> {
    let version = prop_oneof![10 => Just(1_u8), 1 => any::<u8>()];
    let max_credit = prop_oneof![Just(16_384_u32), Just(16 << 20)];
    let reason = prop_oneof![
        Just(EndReason::Finished),
        Just(EndReason::Stopped),
        Just(EndReason::Replaced),
        Just(EndReason::Failed)
    ];
    let size = prop_oneof![1 => Just(0_u64), 2 => 1_u64..5, 6 => 5_u64..40_000, 1 => Just(10_000_000)];
    let starts = prop_oneof![12 => Just(Id::Oldest), 12 => Just(Id::Newest), 1 => id()];
    let delivers = prop_oneof![12 => Just(Id::Current), 3 => id()];
    let length = prop_oneof![
        8 => (1_u16..5_000).prop_map(Amount::Bytes),
        5 => Just(Amount::All),
        2 => Just(Amount::AllButOne),
        1 => Just(Amount::OneTooMany)
    ];
    let pong = prop_oneof![Just(None), (0_u64..400_000).prop_map(Some)];
    prop_oneof![
        3 => (version, max_credit).prop_map(|(version, max_credit)| Line::Welcome { version, max_credit }),
        14 => (prop::bool::weighted(0.95), prop_oneof![1 => Just(0_u32), 20 => 1_u32..4])
            .prop_map(|(is_asked, step)| Line::Song { is_asked, step }),
        8 => (prop::bool::weighted(0.95), prop_oneof![1 => Just(Some(0)), 20 => Just(None), 20 => (1_u32..4).prop_map(Some)])
            .prop_map(|(is_asked, step)| Line::ListEnd { is_asked, step }),
        50 => (starts, size, prop::bool::weighted(0.9))
            .prop_map(|(id, size_bytes, resumes_right)| Line::Started { id, size_bytes, resumes_right }),
        60 => (delivers, length).prop_map(|(id, length)| Line::Data { id, length }),
        20 => (id(), reason).prop_map(|(id, reason)| Line::End { id, reason }),
        12 => (id(), prop_oneof![8 => 256_u16..300, 1 => 0_u16..256]).prop_map(|(id, code)| Line::Error { id, code }),
        10 => any::<u64>().prop_map(Line::Ping),
        10 => pong.prop_map(|micros_ago| Line::Pong { micros_ago }),
        1 => Just(Line::Goodbye),
        5 => other().prop_map(Line::Other),
    ]
}

fn other() -> impl Strategy<Value = Said> {
    let clients_own = prop_oneof![
        Just(Message::Hello(Hello::default())),
        Just(Message::List(List { request: RequestId(1), first: SongId(1), at_most: 1, search: None })),
        Just(Message::Credit(Credit { stream: StreamId(1), more: 1 })),
        Just(Message::Stop(Stop { stream: StreamId(1) })),
    ];
    prop_oneof![
        1 => Just(Said::Preamble(PREAMBLE)),
        1 => bad_preamble(),
        1 => (1_u8..9).prop_map(|reason| Said::Preamble(refusal(Refusal::from_byte(reason)))),
        2 => clients_own.prop_map(Said::Message),
        2 => control_kind().prop_map(Said::Malformed),
        1 => control_kind().prop_map(|kind| Said::TooLarge(kind, TAKES + 1)),
        1 => Just(Said::EmptyData),
        1 => Just(Said::UnknownType),
        8 => (0_u16..700).prop_map(Said::Ignorable),
    ]
}

pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    // Up to the floor of credit the size of each grant is fixed; above it it depends on the measured path.
    let capacity = prop_oneof![Just(8_192_u32), Just(10_001), Just(16_384), Just(65_536)];
    let occupied = prop_oneof![4 => Just(0_u32), 1 => 1_u32..20_000];
    let bytes = prop_oneof![4 => any::<u16>().prop_map(|bytes| Amount::Bytes(bytes / 8)), 4 => Just(Amount::All), 1 => Just(Amount::OneTooMany)];
    prop_oneof![
        50 => (line(), piece()).prop_map(|(line, piece)| Operation::Hears { line, piece }),
        20 => Just(Operation::Transmits),
        5 => Just(Operation::Lists),
        5 => Just(Operation::AsksInfo),
        14 => (capacity, occupied, prop::bool::weighted(0.3))
            .prop_map(|(capacity, occupied, resumes)| Operation::Plays { capacity, occupied, resumes }),
        3 => Just(Operation::Stops),
        14 => (prop_oneof![4 => Just(Id::Current), 1 => id()], bytes)
            .prop_map(|(whose, bytes)| Operation::Releases { whose, bytes }),
        10 => wait().prop_map(Operation::Waits),
        1 => Just(Operation::SaysGoodbye),
    ]
}
