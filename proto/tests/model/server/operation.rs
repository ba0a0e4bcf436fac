//! What is done to a server: operations, and how to draw them.

use super::TAKES;
use super::model::started;
use crate::wire::{Said, Wait, bad_preamble, control_kind, piece, wait};
use proptest::prelude::*;
use trill_proto::ids::StreamId;
use trill_proto::message::{End, EndReason, Message, PREAMBLE, Song, Welcome};
/// One step. Ids and amounts are relative to what is going on, so that most of them hit something.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Hears {
        line: Line,
        piece: usize,
    },
    Transmits,
    SendsData {
        at_most: usize,
    },
    /// As much as there is credit for.
    SendsAllData,
    Starts {
        whose: Id,
        size_bytes: u64,
    },
    Refuses(Id),
    Fails(Id),
    KeepsAlive,
    Waits(Wait),
    SaysGoodbye,
}

#[derive(Clone, Debug)]
pub(crate) enum Line {
    Hello { versions: (u8, u8), answer: Answer },
    List,
    Info { is_known: bool },
    Play { id: Id, credit: Amount },
    Credit { id: Id, more: Amount },
    Stop(Id),
    Ping(u64),
    Pong,
    Goodbye,
    Error,
    Other(Said),
}

/// What the application says to a HELLO.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Welcome { max_credit: u32 },
    Reject,
    Goodbye,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Id {
    Zero,
    /// Of the stream that is being sent.
    Sending,
    /// Of the PLAY that is not answered.
    Offered,
    /// The largest so far.
    Last,
    /// One before that.
    Older,
    /// One that never was: so many after the largest.
    New(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Bytes(u32),
    /// All that may still be granted.
    All,
    /// One more than that.
    OneTooMany,
    Largest,
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        1 => Just(Id::Zero),
        24 => Just(Id::Sending),
        16 => Just(Id::Offered),
        4 => Just(Id::Last),
        4 => Just(Id::Older),
        1 => (1_u32..3).prop_map(Id::New),
    ]
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        24 => (0_u32..9_000).prop_map(Amount::Bytes),
        6 => Just(Amount::All),
        1 => Just(Amount::OneTooMany),
        1 => Just(Amount::Largest),
    ]
}

fn line() -> impl Strategy<Value = Line> {
    let versions = prop_oneof![8 => Just((1, 1)), 2 => Just((0, 9)), 1 => Just((2, 9)), 1 => Just((0, 0))];
    let answer = prop_oneof![
        10 => prop_oneof![Just(16_384), Just(20_000), Just(16 << 20)].prop_map(|max_credit| Answer::Welcome { max_credit }),
        1 => Just(Answer::Reject),
        1 => Just(Answer::Goodbye),
    ];
    prop_oneof![
        3 => (versions, answer).prop_map(|(versions, answer)| Line::Hello { versions, answer }),
        20 => Just(Line::List),
        20 => any::<bool>().prop_map(|is_known| Line::Info { is_known }),
        80 => (prop_oneof![30 => (1_u32..4).prop_map(Id::New), 1 => id()], amount())
            .prop_map(|(id, credit)| Line::Play { id, credit }),
        120 => (id(), amount()).prop_map(|(id, more)| Line::Credit { id, more }),
        60 => id().prop_map(Line::Stop),
        20 => any::<u64>().prop_map(Line::Ping),
        10 => Just(Line::Pong),
        2 => Just(Line::Goodbye),
        2 => Just(Line::Error),
        5 => other().prop_map(Line::Other),
    ]
}

fn other() -> impl Strategy<Value = Said> {
    let servers_own = prop_oneof![
        Just(Message::Welcome(Welcome::new())),
        Just(Message::Data(1, b"abc")),
        Just(Message::End(End { stream: StreamId(1), reason: EndReason::Finished })),
        Just(Message::Started(started(StreamId(1), 9))),
        Just(Message::Song(Song::default())),
    ];
    prop_oneof![
        1 => Just(Said::Preamble(PREAMBLE)),
        1 => bad_preamble(),
        2 => servers_own.prop_map(Said::Message),
        2 => control_kind().prop_map(Said::Malformed),
        1 => control_kind().prop_map(|kind| Said::TooLarge(kind, TAKES + 1)),
        1 => Just(Said::EmptyData),
        1 => Just(Said::UnknownType),
        8 => (0_u16..700).prop_map(Said::Ignorable),
    ]
}

pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        40 => (line(), piece()).prop_map(|(line, piece)| Operation::Hears { line, piece }),
        8 => Just(Operation::Transmits),
        8 => (1_usize..6_000).prop_map(|at_most| Operation::SendsData { at_most }),
        6 => Just(Operation::SendsAllData),
        16 => (prop_oneof![8 => Just(Id::Offered), 1 => id()], prop_oneof![Just(0_u64), 1..30_000_u64])
            .prop_map(|(whose, size_bytes)| Operation::Starts { whose, size_bytes }),
        4 => prop_oneof![4 => Just(Id::Offered), 1 => id()].prop_map(Operation::Refuses),
        3 => id().prop_map(Operation::Fails),
        2 => Just(Operation::KeepsAlive),
        8 => wait().prop_map(Operation::Waits),
        1 => Just(Operation::SaysGoodbye),
    ]
}
