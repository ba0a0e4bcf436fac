//! Directories and requests that make the library work hard.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use trill_proto::message::{Search, Start};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;
use trill_tests::{usage, wait};

const DEADLINE: Duration = Duration::from_secs(60);

/// A large library for a test, and a small one.
const MANY: usize = 20_000;
const FEW: usize = 20;

const SONGS_OF_DIRECTORY: usize = 10;

/// The server trusts modification times older than the coarsest file system clock.
const TRUSTED_AGE: Duration = Duration::from_millis(2_100);

/// The same file under `count` names, in directories of ten.
fn music(songs: usize) -> MusicDir {
    let music = MusicDir::new();
    let original = music.add("original", &corpus::MONO_8_KBPS.milliseconds(500));
    for index in 0..songs {
        let directory = music.path().join(format!("{:05}", index / SONGS_OF_DIRECTORY));
        if index % SONGS_OF_DIRECTORY == 0 {
            fs::create_dir(&directory).expect("a directory of this test's own");
        }
        fs::hard_link(&original, directory.join(format!("{index:05}.mp3"))).expect("a link in the same file system");
    }
    music
}

/// An idle server.
fn serve(music: &MusicDir) -> ServerProcess {
    let server = ServerProcess::start(music.path());
    server.usage_at_rest();
    server
}

/// Waits until the library is idle.
fn wait_until_idle(server: &ServerProcess) {
    wait::wait_for(DEADLINE, "the library to rest", || {
        let names = usage::thread_names(server.id()).expect("a running process");
        !names.iter().any(|name| ["tags", "check", "scan", "library"].contains(&name.as_str()))
    });
}

/// Waits until a list has this many songs. With slow scans or frequent changes, a list may show the previous scan.
fn wait_until_listed(session: &mut Session, songs: usize) {
    wait::wait_for(DEADLINE, "the list to be up to date", || session.list().len() == songs);
}

/// CPU time of the server per request.
fn cpu_of_each(server: &ServerProcess, requests: u32, ask: &mut dyn FnMut()) -> Duration {
    let before = server.usage().cpu_time;
    (0..requests).for_each(|_| ask());
    (server.usage().cpu_time - before) / requests
}

/// A request with its answer, for a library whose last song has this id.
type Request = fn(&mut Session, u32);

const REQUESTS: [(&str, Request); 6] = [
    ("PLAY of an unknown song with an unknown content tag", |session, last| {
        let stream = session.request_play_of(last + 1, Start::Time(0), 12_345, 1_000);
        session.started(stream).expect_err("there is no such song");
    }),
    ("PLAY of the last song with another content tag", |session, last| {
        let stream = session.request_play_of(last, Start::Time(0), 12_345, 1_000);
        session.started(stream).expect_err("it is another");
    }),
    ("INFO of an unknown song", |session, last| {
        let request = session.request_info(last + 1);
        session.info(request).expect_err("there is no such song");
    }),
    ("INFO of the last song", |session, last| {
        let request = session.request_info(last);
        session.info(request).expect("it is there");
    }),
    ("LIST of the last songs", |session, last| {
        let request = session.request_page(last - 9, 10);
        assert_eq!(session.page(request).songs.len(), 10);
    }),
    ("LIST of the song with the last rank", |session, last| {
        let request = session.request_search(Search { rank: last - 1, ..Search::default() }, 0, 1);
        assert_eq!(session.page(request).songs.len(), 1);
    }),
];

#[test]
fn no_request_costs_more_in_a_large_library() {
    const ROUNDS: u32 = 1_000;
    let costs = [FEW, MANY].map(|songs| {
        let music = music(songs);
        let server = serve(&music);
        let mut session = Session::open(server.address());
        REQUESTS.map(|(_, ask)| cpu_of_each(&server, ROUNDS, &mut || ask(&mut session, songs as u32)))
    });
    for (((name, _), few), many) in REQUESTS.iter().zip(costs[0]).zip(costs[1]) {
        eprintln!("figure: library: {name}: {few:?} of CPU with {FEW} songs, {many:?} with {MANY}");
        // The kernel counts in steps of ten milliseconds.
        let at_most = few * 3 + Duration::from_millis(20) / ROUNDS;
        assert!(many <= at_most, "{name}: {few:?} with few songs, {many:?} with many");
    }
}

#[test]
fn a_dangling_link_makes_no_list_a_scan() {
    const LISTS: u32 = 20;
    let music = music(MANY);
    let cost = || {
        // A directory that has just changed is scanned at every list, because its time would not show another change.
        let changed = || fs::metadata(music.path()).and_then(|metadata| metadata.modified()).expect("a directory");
        wait::wait_for(DEADLINE, "time to pass", || changed().elapsed().is_ok_and(|age| age > TRUSTED_AGE));
        let server = serve(&music);
        let mut session = Session::open(server.address());
        let mut list = || {
            let request = session.request_page(1, 1);
            session.page(request);
        };
        // A scan follows these lists. After that, one more list does not cause another.
        (0..5).for_each(|_| list());
        wait_until_idle(&server);
        cpu_of_each(&server, LISTS, &mut list)
    };
    let without = cost();
    symlink("nothing", music.path().join("gone.mp3")).expect("a link");
    symlink("nothing", music.path().join("gone")).expect("a link");
    let with = cost();
    eprintln!("figure: library: a LIST costs {without:?} of CPU, {with:?} beside two dangling links");
    assert!(with < without * 2 + Duration::from_millis(2), "{without:?} without, {with:?} with dangling links");
}

/// The share of a core that one client keeps busy which requests this page again and again.
fn share_of_core(what: &str, request_page: fn(&mut Session) -> u32) -> f64 {
    const BURST: Duration = Duration::from_secs(4);
    const TIME: Duration = Duration::from_secs(8);
    let music = music(MANY);
    let server = serve(&music);
    let mut session = Session::open(server.address());
    let mut list_for = |time: Duration| {
        let (begun, mut lists) = (Instant::now(), 0);
        while begun.elapsed() < time {
            let request = request_page(&mut session);
            session.page(request);
            lists += 1;
        }
        lists
    };
    list_for(BURST); // a user's few requests are exempt from the limits
    let (begun, before) = (Instant::now(), server.usage().cpu_time);
    let lists = list_for(TIME);
    let share = (server.usage().cpu_time - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    eprintln!("figure: library: {lists} {what} one after the other keep {share:.2} of a core busy");
    share
}

#[test]
fn lists_without_end_leave_most_of_a_core_to_others() {
    let share = share_of_core("LISTs", |session| session.request_page(1, 1));
    assert!(share < 0.45, "{share:.2} of a core");
}

#[test]
fn searches_without_end_leave_most_of_a_core_to_others() {
    const QUERY: &str = "a b c d e f g h i j k l m n o p q r s t u v w x y z";
    let share =
        share_of_core("searches", |session| session.request_search(Search { query: QUERY, ..Search::default() }, 0, 1));
    assert!(share < 0.45, "{share:.2} of a core");
}

#[test]
fn endless_files_keep_no_song_unread() {
    let music = music(500);
    for name in ["0", "00", "000"] {
        let file = File::create(music.path().join(name).with_extension("mp3")).expect("a file of this test's own");
        file.set_len(8 << 40).expect("a file system with sparse files");
    }
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let deadline = Instant::now() + DEADLINE;
    let unread = loop {
        let songs = session.list();
        let unread: Vec<_> =
            songs.into_iter().filter(|song| song.duration_ms.is_none()).map(|song| song.title).collect();
        if unread.len() <= 3 {
            break unread;
        }
        assert!(Instant::now() < deadline, "{} songs are not read", unread.len());
    };
    let read = read_bytes(server.id());
    eprintln!("figure: library: {} KiB were read when 500 songs beside three of 8 TB were known", read / 1024);
    assert!(unread.iter().all(|title| ["0", "00", "000"].contains(&title.as_str())), "{unread:?}");
}

/// Bytes that a process has read in total.
fn read_bytes(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("a process of this test's own");
    let bytes = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    bytes.and_then(|bytes| bytes.parse().ok()).expect("the kernel counts it")
}

#[test]
fn names_that_vanish_are_not_remembered_for_ever() {
    const NAMES: usize = 2_000;
    // The allocator keeps up to 3 MB for its threads, which change every round: as much as 14,000 names.
    const ROUNDS: usize = 40;
    let music = MusicDir::new();
    let original = music.add("original", &corpus::MONO_8_KBPS.milliseconds(500));
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let mut resident = Vec::new();
    for round in 0..ROUNDS {
        let directory = music.path().join(format!("{round}"));
        fs::create_dir(&directory).expect("a directory of this test's own");
        for index in 0..NAMES {
            let name = format!("{round}-{index}-{}.mp3", "x".repeat(200));
            fs::hard_link(&original, directory.join(name)).expect("a link in the same file system");
        }
        wait_until_listed(&mut session, NAMES);
        fs::remove_dir_all(&directory).expect("a directory of this test's own");
        wait_until_listed(&mut session, 0);
        wait_until_idle(&server);
        resident.push(server.usage().resident_bytes);
    }
    let (settled, last) = (resident[ROUNDS / 3], resident[ROUNDS - 1]);
    let names = (NAMES * (ROUNDS - 1 - ROUNDS / 3)) as u64;
    let each = last.saturating_sub(settled) / names;
    eprintln!("figure: library: {each} bytes of memory are kept of each name that vanished, of {names}");
    // The names alone have 200.
    assert!(each < 150, "{each} bytes of each name: {resident:?}");
}

#[test]
fn a_directory_that_becomes_a_link_during_a_scan_shows_no_names_from_outside() {
    const TIME: Duration = Duration::from_secs(3);
    const NAMES: usize = 300;
    let (music, outside) = (MusicDir::new(), MusicDir::new());
    let original = music.add("original", &corpus::MONO_8_KBPS.milliseconds(500));
    fs::create_dir(music.path().join("folder")).expect("a directory of this test's own");
    for index in 0..NAMES {
        let link = |path: &Path| fs::hard_link(&original, path).expect("a link in the same file system");
        link(&music.path().join(format!("folder/{index}.mp3")));
        link(&outside.path().join(format!("secret {index}.mp3")));
    }
    let [folder, other] = ["folder", "other"].map(|name| music.path().join(name));
    symlink(outside.path(), &other).expect("a link");
    let server = ServerProcess::start(music.path());
    let mut session = Session::open(server.address());
    let (stop, stopped) = mpsc::channel::<()>();
    let mut seen = HashSet::new();
    let exchanges = thread::scope(|scope| {
        let exchanging = scope.spawn(move || {
            let mut exchanges = 0;
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                renameat_with(CWD, &folder, CWD, &other, RenameFlags::EXCHANGE).expect("both are there");
                exchanges += 1;
            }
            exchanges
        });
        let begun = Instant::now();
        while begun.elapsed() < TIME {
            seen.extend(session.list().into_iter().map(|song| song.title));
        }
        drop(stop);
        exchanging.join().expect("no panic")
    });
    let secrets = seen.iter().filter(|title| title.starts_with("secret")).count();
    eprintln!(
        "figure: library: {exchanges} exchanges put {secrets} names from outside into the list, {} from inside",
        seen.len()
    );
    assert_eq!(secrets, 0);
    assert!(!seen.is_empty());
}
