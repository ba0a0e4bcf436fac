//! Connections while a disk sleeps, which a test cannot cause from outside.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use super::*;
use crate::library::Library;
use crate::library::tests::{sleeping, stuck, trusting};
use crate::{Config, Server};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{HEADER_BYTES, PREAMBLE_BYTES};
use trill_proto::message::{
    Credit, Encode, Group, Header, Hello, Info, List, MessageType, PREAMBLE, Play, Search, Start, Stop,
};

/// Longer than any event takes that a test waits for.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client that has sent HELLO.
struct Client(TcpStream);

impl Client {
    fn join(server: &Server) -> Self {
        let mut client = Self(TcpStream::connect(server.address()).unwrap());
        client.0.set_read_timeout(Some(DEADLINE)).unwrap();
        client.0.write_all(&PREAMBLE).unwrap();
        client.say(&Hello::default());
        client.0.read_exact(&mut [0; PREAMBLE_BYTES]).unwrap();
        assert_eq!(client.next(), MessageType::Welcome);
        client
    }

    fn say(&mut self, message: &impl Encode) {
        let mut bytes = [0; 128];
        let length = message.encode(&mut bytes).unwrap();
        self.0.write_all(&bytes[..length]).unwrap();
    }

    /// Takes one frame.
    fn next(&mut self) -> MessageType {
        let mut header = [0; HEADER_BYTES];
        self.0.read_exact(&mut header).unwrap();
        let header = Header::decode(header);
        self.0.read_exact(&mut vec![0; usize::from(header.length)]).unwrap();
        MessageType::from_byte(header.kind).unwrap()
    }

    fn next_but_ping(&mut self) -> MessageType {
        std::iter::repeat_with(|| self.next()).find(|kind| *kind != MessageType::Ping).unwrap()
    }
}

/// A hundred frames of silence.
fn silence() -> &'static [u8] {
    let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
    frame.resize(417, 0);
    frame.repeat(100).leak()
}

/// A server whose disk sleeps while the lock is held.
fn serve() -> (Server, Arc<Mutex<()>>) {
    let lock = Arc::new(Mutex::new(()));
    let library = sleeping(Arc::clone(&lock), silence());
    library.wait_until_scanned();
    (start(library), lock)
}

fn start(library: Arc<Library>) -> Server {
    let socket = Server::bind(Some(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    Server::start(socket, library, Config::default()).unwrap()
}

#[test]
fn clients_are_welcomed_while_a_disk_wakes_up_for_the_first_scan() {
    let lock = Arc::new(Mutex::new(()));
    let asleep = lock.lock().unwrap();
    let server = start(sleeping(Arc::clone(&lock), silence()));
    let list = List { request: RequestId(1), first: SongId(1), at_most: 10, search: None };
    let mut clients = [Client::join(&server), Client::join(&server)];
    for client in &mut clients {
        client.say(&list);
        assert_eq!(client.next(), MessageType::Ping, "instead of a slow answer");
    }
    drop(asleep);
    for client in &mut clients {
        assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Song, MessageType::ListEnd]);
    }
}

#[test]
fn a_client_gets_pings_while_a_disk_wakes_up_for_a_list() {
    let (server, lock) = serve();
    let (mut client, mut other) = (Client::join(&server), Client::join(&server));
    let asleep = lock.lock().unwrap();
    client.say(&List { request: RequestId(1), first: SongId(1), at_most: 10, search: None });
    assert_eq!(client.next(), MessageType::Ping, "instead of a slow answer");
    // Only the first page waits for the disk.
    other.say(&List { request: RequestId(1), first: SongId(2), at_most: 10, search: None });
    assert_eq!(other.next(), MessageType::ListEnd);
    drop(asleep);
    assert_eq!(client.next_but_ping(), MessageType::Song);
    assert_eq!(client.next_but_ping(), MessageType::ListEnd);
}

#[test]
fn only_the_beginning_of_a_list_of_all_songs_waits_for_a_disk() {
    let (server, lock) = serve();
    let search = |search, first| List { request: RequestId(1), first: SongId(first), at_most: 0, search: Some(search) };
    let all = Search::default();
    let mut client = Client::join(&server);
    client.say(&search(all, 0)); // waits for the tags, too
    assert_eq!(client.next_but_ping(), MessageType::ListEnd);
    let asleep = lock.lock().unwrap();
    for list in [
        search(Search { query: "x", ..all }, 0),
        search(Search { within: Some((Group::Artist, SongId(1))), ..all }, 0),
        search(Search { numbers: Some((SongId(1), SongId(1))), ..all }, 0),
        search(Search { rank: 1, ..all }, 0),
        search(all, 1),
        // Groups wait only for a moment.
        search(Search { query: " ", group: Some(Group::Album), ..all }, 0),
    ] {
        client.say(&list);
        assert_eq!(client.next(), MessageType::ListEnd, "{list:?}");
    }
    for list in [search(all, 0), search(Search { query: " ", ..all }, 0)] {
        let mut client = Client::join(&server);
        client.say(&list);
        assert_eq!(client.next(), MessageType::Ping, "instead of a slow answer to {list:?}");
    }
    drop(asleep);
}

#[test]
fn a_list_does_not_wait_for_ever_for_a_file_that_cannot_be_read() {
    let lock = Arc::new(Mutex::new(()));
    let _stuck = lock.lock().unwrap();
    let server = start(stuck(Arc::clone(&lock), silence()));
    let mut client = Client::join(&server);
    client.say(&List { request: RequestId(1), first: SongId(1), at_most: 10, search: None });
    assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Song, MessageType::ListEnd]);
}

#[test]
fn all_clients_that_list_get_pings_while_a_disk_sleeps_again() {
    let (server, lock) = serve();
    let mut clients = [Client::join(&server), Client::join(&server)];
    let list = List { request: RequestId(1), first: SongId(1), at_most: 10, search: None };
    clients[0].say(&list);
    assert_eq!([clients[0].next_but_ping(), clients[0].next_but_ping()], [MessageType::Song, MessageType::ListEnd]);
    let asleep = lock.lock().unwrap();
    for client in &mut clients {
        client.say(&list);
    }
    for client in &mut clients {
        assert_eq!(client.next(), MessageType::Ping, "instead of a slow answer");
    }
    drop(asleep);
    for client in &mut clients {
        assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Song, MessageType::ListEnd]);
    }
}

#[test]
#[cfg(unix)]
fn a_scan_follows_a_list_for_which_a_check_sufficed() {
    let music = tempfile::tempdir().unwrap();
    std::fs::write(music.path().join("1.mp3"), silence()).unwrap();
    let library = trusting(music.path());
    let server = start(Arc::clone(&library));
    let mut client = Client::join(&server);
    let mut list = || {
        client.say(&List { request: RequestId(1), first: SongId(1), at_most: 10, search: None });
        assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Song, MessageType::ListEnd]);
    };
    list();
    assert!(library.wait_until_read_for(DEADLINE));
    let generation = library.generation();
    std::fs::write(music.path().join("1.mp3"), &silence()[417..]).unwrap();
    list();
    let end = Instant::now() + DEADLINE;
    while library.generation() == generation {
        assert!(Instant::now() < end, "the files are not scanned");
        std::thread::yield_now();
    }
}

#[test]
fn a_client_gets_pings_while_a_disk_wakes_up_for_a_song() {
    let (server, lock) = serve();
    let mut client = Client::join(&server);
    let info = |number| Info { request: RequestId(number), song: SongId(1) };
    client.say(&info(1));
    assert_eq!(client.next(), MessageType::Song);
    // Everything about it is known, but it must be opened.
    let asleep = lock.lock().unwrap();
    client.say(&info(2));
    assert_eq!(client.next(), MessageType::Ping, "instead of a slow answer");
    drop(asleep);
    assert_eq!(client.next_but_ping(), MessageType::Song);
}

#[test]
fn music_goes_on_and_stops_while_a_disk_wakes_up() {
    let (server, lock) = serve();
    let mut client = Client::join(&server);
    let (stream, song) = (StreamId(1), SongId(1));
    client.say(&Play { stream, song, start: Start::Time(0), content_tag: 0, credit: 1_000 });
    assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Started, MessageType::Data]);
    let asleep = lock.lock().unwrap();
    client.say(&Info { request: RequestId(1), song });
    assert_eq!(client.next(), MessageType::Ping, "instead of a slow answer");
    client.say(&Credit { stream, more: 1_000 });
    assert_eq!(client.next_but_ping(), MessageType::Data);
    client.say(&Stop { stream });
    assert_eq!(client.next_but_ping(), MessageType::End);
    drop(asleep);
    assert_eq!(client.next_but_ping(), MessageType::Song);
}

#[test]
fn a_list_does_not_stop_the_music_while_a_disk_sleeps_again() {
    let (server, lock) = serve();
    let mut client = Client::join(&server);
    let list = List { request: RequestId(1), first: SongId(1), at_most: 10, search: None };
    client.say(&list);
    assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Song, MessageType::ListEnd]);
    let (stream, song) = (StreamId(1), SongId(1));
    client.say(&Play { stream, song, start: Start::Time(0), content_tag: 0, credit: 1_000 });
    assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Started, MessageType::Data]);
    let asleep = lock.lock().unwrap();
    client.say(&list);
    client.say(&Credit { stream, more: 1_000 });
    assert_eq!(client.next_but_ping(), MessageType::Data);
    drop(asleep);
    assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::Song, MessageType::ListEnd]);
}

#[test]
fn a_song_that_is_stopped_while_its_disk_sleeps_delays_no_answer() {
    let (server, lock) = serve();
    let mut client = Client::join(&server);
    let _asleep = lock.lock().unwrap();
    let (stream, song) = (StreamId(1), SongId(1));
    client.say(&Play { stream, song, start: Start::Time(0), content_tag: 0, credit: 1_000 });
    client.say(&List { request: RequestId(1), first: SongId(2), at_most: 10, search: None });
    client.say(&Stop { stream });
    assert_eq!([client.next_but_ping(), client.next_but_ping()], [MessageType::End, MessageType::ListEnd]);
}

#[test]
fn requests_during_a_disk_wake_up_are_answered_in_order_even_beyond_the_queue() {
    let (server, lock) = serve();
    let mut client = Client::join(&server);
    let asleep = lock.lock().unwrap();
    let requests = 1..=3 * read::MAX_REQUESTS as u32;
    for number in requests.clone() {
        client.say(&Info { request: RequestId(number), song: SongId(1) });
    }
    assert_eq!(client.next(), MessageType::Ping, "instead of a slow answer");
    drop(asleep);
    for _ in requests {
        assert_eq!(client.next_but_ping(), MessageType::Song);
    }
}
