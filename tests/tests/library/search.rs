//! Songs that match words, in library order.

use super::{DEADLINE, ids};
use std::fs;
use trill_proto::message::Search;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::server::ServerProcess;
use trill_tests::session::{Page, Session};
use trill_tests::wait;

const SHORT: Song = corpus::CBR_128.milliseconds(500);

fn search(session: &mut Session, query: &'static str, rank: u32, first: u32, at_most: u32) -> Page {
    let request = session.request_search(Search { query, rank, ..Search::default() }, first, at_most);
    session.page(request)
}

#[test]
fn a_search_goes_on_where_it_was_while_the_library_changes() {
    let music = MusicDir::new();
    for name in ["Björk/2.mp3", "Björk/10.mp3", "Björk/1.mp3", "Can/1.mp3"] {
        music.add(name, &SHORT);
    }
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let first = search(&mut session, "BJORK", 0, 0, 1);
    assert_eq!((ids(&first.songs), first.next, first.total), (vec![1], Some(2), 3));
    assert_eq!(first.songs[0].title, "1");
    let all = search(&mut session, "", 0, 0, 100);
    assert_eq!((ids(&all.songs), all.next, all.total), (vec![1, 2, 3, 4], None, 4));

    // A new song appears in its place; a removed one is skipped.
    music.add("Björk/1b.mp3", &SHORT.seed(5));
    wait::wait_for(DEADLINE, "the new song", || search(&mut session, "bjork", 0, 0, 0).total == 4);
    let rest = search(&mut session, "bjork", 1, 2, 100);
    assert_eq!((ids(&rest.songs), rest.next, rest.total), (vec![2, 3], None, 4));
    assert_eq!(ids(&search(&mut session, "bjork", 1, 0, 1).songs), [5]);
    fs::remove_file(music.path().join("Björk/2.mp3")).expect("it is there");
    wait::wait_for(DEADLINE, "the song to go", || search(&mut session, "bjork", 0, 0, 0).total == 3);
    let rest = search(&mut session, "bjork", 2, 2, 100);
    assert_eq!((ids(&rest.songs), rest.next, rest.total), (vec![3], None, 3));
}
