//! Checks a song that arrives over several connections, each cut by the proxy.

use crate::messages;
use crate::proxy::{Direction, Fault, Proxy, Script};
use trill_proto::message::{Message, Start};

/// The traffic of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// The start position in the client's PLAY; `None` if no PLAY reached the server.
    pub from: Option<u64>,
    /// The credit that reached the server in PLAY and CREDIT.
    pub granted: u64,
    /// Bytes of the song that the server sent.
    pub sent: u64,
    /// Bytes of the song that reached the client's socket.
    pub handed: u64,
    /// How the connection was cut. A reset destroys what the client has not read yet.
    pub cut: Option<Fault>,
}

impl Stretch {
    fn of(proxy: &Proxy, index: usize, script: Option<&Script>) -> Self {
        let mut stretch = Self {
            from: None,
            granted: 0,
            sent: messages::data_bytes(&proxy.sent(index, Direction::ToClient)),
            handed: messages::data_bytes(&proxy.recorded(index, Direction::ToClient)),
            cut: script.map(|script| script.steps[0].fault),
        };
        for frame in messages::frames(&proxy.recorded(index, Direction::ToServer)) {
            match frame.message() {
                Message::Play(play) => {
                    stretch.from = Some(match play.start {
                        Start::Resume(position) => position,
                        Start::Time(ms) => ms, // from the beginning, before any of the song arrived
                    });
                    stretch.granted += u64::from(play.credit);
                }
                Message::Credit(credit) => stretch.granted += u64::from(credit.more),
                _ => {}
            }
        }
        stretch
    }
}

/// The connections of a proxy with [these scripts](Proxy::scripted_in_turn). Each script cuts its connection.
pub fn all(proxy: &Proxy, scripts: &[Script]) -> Vec<Stretch> {
    (0..proxy.accepted()).map(|index| Stretch::of(proxy, index, scripts.get(index))).collect()
}

/// The total for a song.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    /// Bytes that the server sent.
    pub sent: u64,
    /// The outstanding credit at each cut.
    pub outstanding: u64,
}

/// Checks that a song of so many bytes arrived completely, that the client did not request received bytes again, and
/// that the server sent no more than the song plus the outstanding credit at the cuts.
///
/// The outstanding credit at a cut is the credit that reached the server minus the bytes that the client received. The
/// start position of the next connection gives the latter.
///
/// # Panics
/// When a check fails.
#[track_caller]
pub fn check(stretches: &[Stretch], song: u64) -> Sum {
    let starts = stretches.iter().filter_map(|stretch| Some((stretch.from?, stretch)));
    let ends = starts.clone().skip(1).map(|(from, _)| from).chain([song]);
    let mut sum = Sum { sent: 0, outstanding: 0 };
    for ((from, stretch), end) in starts.zip(ends) {
        let received = end.checked_sub(from).filter(|received| *received <= stretch.handed);
        let Some(received) = received else { panic!("then on from {end}: {stretch:?}") };
        assert!(received == stretch.handed || stretch.cut == Some(Fault::Reset), "then again from {end}: {stretch:?}");
        assert!(stretch.sent <= stretch.granted, "without credit: {stretch:?}");
        sum.outstanding += stretch.granted - received;
        sum.sent += stretch.sent;
    }
    assert!(sum.sent <= song + sum.outstanding, "a song of {song} bytes: {sum:?}");
    sum
}
