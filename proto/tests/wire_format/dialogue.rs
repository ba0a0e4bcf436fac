//! The worked session of `wire-format.md`, played by the two machines.

use trill_proto::error::ErrorCode;
use trill_proto::ids::SongId;
use trill_proto::limits::PING_AFTER;
use trill_proto::message::{GoodbyeReason, ListEnd, Song, Start, Started, Welcome};
use trill_proto::session::client::{Client, Identity, PlayRequest};
use trill_proto::session::server::{Event, Server};
use trill_proto::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A song of twelve bytes: no decoder makes anything of it, but it fits on a page.
const AUDIO: &[u8] = b"\xff\xfb\x90\x64 a frame";

/// Who sends what, in order.
pub(crate) fn play() -> Vec<(Side, Vec<u8>)> {
    let mut talk = Talk::new();
    talk.client.list(SongId(1), 100).expect("room");
    talk.exchange();
    talk.client.play(talk.now, &wanted(1)).expect("room");
    talk.exchange();
    talk.client.play(talk.now, &wanted(7)).expect("room");
    talk.exchange();
    talk.now = talk.now + PING_AFTER;
    talk.client.handle_timeout(talk.now).expect("a server that was there a moment ago");
    talk.exchange();
    talk.client.goodbye(GoodbyeReason::Done);
    talk.exchange();
    assert!(talk.client.is_closed() && talk.server.is_closed());
    talk.said
}

fn wanted(song: u32) -> PlayRequest {
    PlayRequest { song: SongId(song), start: Start::Time(0), content_tag: 0, capacity: 16_384, occupied: 0 }
}

struct Talk {
    now: Instant,
    client: Client,
    server: Server,
    said: Vec<(Side, Vec<u8>)>,
}

impl Talk {
    fn new() -> Self {
        let now = Instant::from_micros(1_000_000);
        let identity = Identity { name: "kitchen", nonce: *b"0123456789abcdef", roles: 0 };
        Self { now, client: Client::new(now, &identity), server: Server::new(now), said: Vec::new() }
    }

    /// Lets the two talk until both have nothing to say.
    fn exchange(&mut self) {
        loop {
            let from_client = transmit_client(&mut self.client, self.now);
            self.now = self.now + core::time::Duration::from_micros(250);
            let from_server = self.answer(&from_client);
            if from_client.is_empty() && from_server.is_empty() {
                return;
            }
            let mut rest = from_server.as_slice();
            while !rest.is_empty() {
                let (taken, _) = self.client.handle_input(self.now, rest).expect("an honest server");
                rest = &rest[taken..];
            }
            self.note(Side::Client, from_client);
            self.note(Side::Server, from_server);
        }
    }

    fn note(&mut self, side: Side, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.said.push((side, bytes));
        }
    }

    fn answer(&mut self, input: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = input;
        while !rest.is_empty() {
            let (taken, event) = self.server.handle_input(self.now, rest).expect("an honest client");
            let reply = event.map(|event| match event {
                Event::Hello(_) => Reply::Welcome,
                Event::List(list) => Reply::List(list.request),
                Event::Play(play) => Reply::Play(play.stream, play.song),
                _ => Reply::Nothing,
            });
            rest = &rest[taken..];
            self.reply(reply.unwrap_or(Reply::Nothing));
            while let Some(bytes) = self.server.poll_transmit(self.now) {
                out.extend_from_slice(bytes);
            }
            while let Some(frame) = self.server.poll_data(usize::MAX) {
                out.extend_from_slice(&frame.header);
                out.extend_from_slice(&AUDIO[frame.position as usize..][..frame.length]);
            }
            while let Some(bytes) = self.server.poll_transmit(self.now) {
                out.extend_from_slice(bytes);
            }
        }
        out
    }

    fn reply(&mut self, reply: Reply) {
        let size_bytes = AUDIO.len() as u64;
        let server = &mut self.server;
        match reply {
            Reply::Nothing => Ok(()),
            Reply::Welcome => {
                server.welcome(&Welcome { server_name: "attic", generation: 1, song_count: 1, ..Welcome::new() })
            }
            Reply::List(request) => {
                let song = Song {
                    request,
                    song: SongId(1),
                    duration_ms: Some(26),
                    size_bytes,
                    bitrate: 128_000,
                    rate: 44_100,
                    channels: 2,
                    title: "Click",
                    ..Song::default()
                };
                server
                    .song(&song)
                    .and_then(|_| server.list_end(&ListEnd { request, total: 1, next: None, generation: 1 }))
            }
            Reply::Play(stream, song @ SongId(1)) => server.start(&Started {
                stream,
                song,
                content_tag: 0x0123_4567_89ab_cdef,
                size_bytes,
                end_sample: 1_152,
                bitrate: 128_000,
                rate: 44_100,
                channels: 2,
                ..Started::default()
            }),
            Reply::Play(stream, _) => server.refuse_play(stream, ErrorCode::NO_SUCH_SONG, "no song 7"),
        }
        .expect("room");
    }
}

enum Reply {
    Nothing,
    Welcome,
    List(trill_proto::ids::RequestId),
    Play(trill_proto::ids::StreamId, SongId),
}

fn transmit_client(client: &mut Client, now: Instant) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(bytes) = client.poll_transmit(now) {
        out.extend_from_slice(bytes);
    }
    out
}
