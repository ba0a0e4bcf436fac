//! The full screen of the client in a terminal.
#![cfg(target_os = "linux")]

use std::time::Duration;

use trill_proto::message::Message;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::messages::{self, Frame};
use trill_tests::proxy::{Conditions, Direction, Fault, Proxy};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Screen, Size, Terminal, VT100, key};

const DEADLINE: Duration = Duration::from_secs(60);

/// A test runner in the background ignores signals, and a shell would inherit that.
const DEFAULT_SIGNALS: &str = "--default-signal=HUP,INT,QUIT,TERM,TSTP,TTIN,TTOU";

/// What a terminal gets that goes back to its first screen.
const LEAVE: &str = "\x1b[?1049l";

/// Songs without tags take artist and album from their folders.
const SONGS: [&str; 5] = [
    "John Coltrane/Giant Steps/Giant Steps.mp3",
    "John Coltrane/Giant Steps/Naima.mp3",
    "Miles Davis/Kind of Blue/Blue in Green.mp3",
    "Miles Davis/Kind of Blue/So What.mp3",
    "東京事変/教育/群青日和.mp3",
];

fn serve() -> (MusicDir, ServerProcess) {
    let music = MusicDir::new();
    for song in SONGS {
        music.add(song, &corpus::CBR_128.milliseconds(60_000));
    }
    let server = ServerProcess::start(music.path());
    (music, server)
}

/// A client that shows the full screen, and all songs on it.
fn browse(client: Client, size: Size) -> Terminal {
    let terminal = client.args(["--output=null", "browse"]).in_terminal(size);
    terminal.wait_for_text(DEADLINE, "群青日和");
    terminal
}

#[test]
fn on_a_long_path_a_song_is_found_by_typing_played_and_others_are_queued() {
    let (_music, server) = serve();
    let path = Conditions { delay: Duration::from_millis(50), ..Conditions::PERFECT };
    let proxy = Proxy::start(server.address(), path);
    let mut terminal = browse(Client::of(proxy.address()), VT100);
    check(
        &terminal.wait_for_text(DEADLINE, "教育"),
        "
1 Artists             3│2 Albums              3│3 Songs                        5
All                    │All                    │Giant Steps — John Coltrane 1:00
John Coltrane         2│Giant Steps — John C… 2│Naima — John Coltrane       1:00
Miles Davis           2│Kind of Blue — Miles… 2│Blue in Green — Miles Davis 1:00
東京事変              1│教育 — 東京事変       1│So What — Miles Davis       1:00
                       │                       │群青日和 — 東京事変         1:00",
    );
    terminal.type_text("/NAIMA");
    terminal.wait_for(DEADLINE, "the song", |screen| {
        screen.contains("3 Songs                        1") && screen.contains("Naima") && screen.contains("/NAIMA")
    });
    terminal.type_text(key::ENTER);
    terminal.type_text(key::ENTER);
    terminal.wait_for(DEADLINE, "the music", |screen| {
        screen.contains("▶ Naima — John Coltrane") && screen.rows[22].starts_with("0:01")
    });
    // Everything again, and an album behind the song.
    terminal.type_text("\x1b");
    terminal.wait_for(DEADLINE, "everything", |screen| screen.contains("群青日和") && screen.contains("教育"));
    terminal.type_text("2jj");
    terminal.wait_for(DEADLINE, "the album", |screen| screen.contains("3 Songs                        2"));
    terminal.type_text("a4");
    terminal.wait_for(DEADLINE, "the queue", |screen| {
        ["│1 Giant Steps", "│▶ 2 Naima", "│3 Blue in Green", "│4 So What"].iter().all(|row| screen.contains(row))
    });
    terminal.type_text("n");
    terminal.wait_for(DEADLINE, "the next song", |screen| screen.contains("▶ Blue in Green — Miles Davis"));
    terminal.type_text("p");
    terminal.wait_for(DEADLINE, "the song before", |screen| screen.contains("▶ Naima — John Coltrane"));
    // To a place of the queue, and a place away.
    terminal.type_text("Gk\r");
    terminal.wait_for(DEADLINE, "the place", |screen| screen.contains("│▶ 3 Blue in Green"));
    terminal.type_text("Gd");
    terminal.wait_for(DEADLINE, "three places", |screen| {
        !screen.contains("│4 So What") && screen.rows[0].ends_with("4 Queue                      3")
    });
    terminal.type_text("p");
    terminal.wait_for(DEADLINE, "the song before", |screen| screen.contains("▶ Naima — John Coltrane"));
    terminal.type_text("sr--");
    terminal.wait_for_text(DEADLINE, "shuffle  repeat all  vol 90");
    terminal.type_text(" ");
    terminal.wait_for_text(DEADLINE, "paused Naima");
    terminal.type_text(" ");
    terminal.wait_for_text(DEADLINE, "▶ Naima");
    // A command of the prompt, and its output.
    terminal.type_text(":status\r");
    terminal.wait_for_text(DEADLINE, "state      playing");
    terminal.type_text("x:fly\r");
    terminal.wait_for_text(DEADLINE, "no command \"fly\"");
    // Back to the prompt; the music goes on.
    terminal.type_text("q");
    terminal.wait_for(DEADLINE, "the prompt", |screen| screen.contains("trill>") && !screen.contains("1 Artists"));
    terminal.type_line("status");
    terminal.wait_for_text(DEADLINE, "state      playing");
    // Ctrl-B goes there too, and what was typed is kept.
    terminal.type_text("volu\x02");
    terminal.wait_for_text(DEADLINE, "1 Artists");
    terminal.type_text("q");
    terminal.wait_for_text(DEADLINE, "trill> volu");
    terminal.type_line("me");
    terminal.wait_for_text(DEADLINE, "volume 90");
    // Nor is anything lost that is typed ahead.
    terminal.type_text("\x02");
    terminal.wait_for_text(DEADLINE, "1 Artists");
    terminal.type_text("qfly\rvox\x7fl");
    terminal.wait_for_text(DEADLINE, "no command \"fly\"");
    terminal.wait_for(DEADLINE, "the rest", |screen| screen.rows.iter().any(|row| row == "trill> vol"));
    terminal.type_line("ume 40");
    terminal.type_line("volume");
    // Between two lines the terminal itself would take Ctrl-D.
    terminal.wait_for(DEADLINE, "the answer and a prompt", |screen| {
        let answer = screen.rows.iter().position(|row| row == "volume 40");
        answer.zip(screen.rows.iter().rposition(|row| row == "trill>")).is_some_and(|(answer, prompt)| prompt > answer)
    });
    terminal.type_text(key::CTRL_D);
    assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{terminal}");
    assert!(terminal.is_cooked());
    assert_eq!(terminal.side_effects(), [""; 0]);
}

/// Compares the first rows of the screen, up to the first that has nothing but lines between panes.
#[track_caller]
fn check(screen: &Screen, expected: &str) {
    let is_used = |row: &&String| row.contains(|char| !" │".contains(char));
    let rows: Vec<_> = screen.rows.iter().take_while(is_used).map(String::as_str).collect();
    assert_eq!(rows.join("\n"), expected.trim_matches('\n'), "{screen}");
}

#[test]
fn lists_before_the_screen_keep_their_answers_and_the_panes_get_their_own() {
    let (_music, server) = serve();
    let far = Conditions { delay: Duration::from_millis(50), ..Conditions::PERFECT };
    for conditions in [Conditions::PERFECT, far] {
        let proxy = Proxy::start(server.address(), conditions);
        let terminal = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
        terminal.wait_for_text(DEADLINE, "trill>");
        terminal.type_text("list\rlist naima\rbrowse\r");
        terminal.wait_for(DEADLINE, "the panes", |screen| {
            screen.rows[0] == "1 Artists             3│2 Albums              3│3 Songs                        5"
                && ["John Coltrane         2│", "│教育 — 東京事変       1│", "│群青日和 — 東京事変         1:00"]
                    .iter()
                    .all(|row| screen.contains(row))
        });
        terminal.type_text("q");
        terminal.wait_for(DEADLINE, "the answers above the prompt", |screen| {
            let row = |text: &str| screen.rows.iter().rposition(|row| row.contains(text));
            row("群青日和").is_some() && row("群青日和") < row("Naima") && row("Naima") < row("trill>")
        });
    }
}

#[test]
fn keys_typed_behind_browse_are_for_the_screen() {
    let (_music, server) = serve();
    let far = Conditions { delay: Duration::from_millis(50), ..Conditions::PERFECT };
    let proxy = Proxy::start(server.address(), far);
    let terminal = Client::of(proxy.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    terminal.type_text("add 1\rqueue\rbrowse\r");
    terminal.wait_for_text(DEADLINE, "1 Artists");
    terminal.type_text("4");
    terminal.wait_for_text(DEADLINE, "│▶ 1 Giant Steps");
    terminal.type_text("q");
    terminal.wait_for(DEADLINE, "an empty prompt", |screen| screen.rows.iter().any(|row| row == "trill>"));
}

/// The ranks and numbers of rows that were asked for in lists, in order, behind the first `before` lists.
fn asked(proxy: &Proxy, before: usize) -> Vec<(u32, u32)> {
    let request = |frame: &Frame| match frame.message() {
        Message::List(list) => Some((list.search.map_or(0, |search| search.rank), list.at_most)),
        _ => None,
    };
    messages::frames(&proxy.recorded(0, Direction::ToServer)).iter().filter_map(request).skip(before).collect()
}

#[test]
fn keys_never_wait_for_the_server_and_only_rows_of_the_screen_are_asked_for() {
    let music = MusicDir::new();
    for number in 0..300 {
        music.add_bytes(format!("song {number:03}.mp3"), b"");
    }
    let server = ServerProcess::start(music.path());
    let proxy = Proxy::recording(server.address(), Conditions::PERFECT);
    let terminal = Client::of(proxy.address()).args(["--output=null", "browse"]).in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "song 019");
    // Artists, albums and songs. A row of the first two stands for all.
    assert_eq!(asked(&proxy, 0), [(0, 19), (0, 19), (0, 20)]);
    // No answer comes while the cursor moves far down. The last key shows that all were handled.
    terminal.type_text("3\x1b[6~");
    terminal.wait_for_text(DEADLINE, "song 020");
    assert_eq!(asked(&proxy, 3), [(1, 20)]);
    proxy.inject_both(Fault::Freeze(Duration::MAX));
    terminal.type_text(&format!("{}:", "j".repeat(250)));
    terminal.wait_for(DEADLINE, "a command", |screen| screen.rows[23] == ":");
    proxy.inject_both(Fault::Thaw);
    terminal.wait_for_text(DEADLINE, "song 270");
    assert_eq!(asked(&proxy, 4), [(2, 20), (251, 20)]);
    // What is typed is shown at once, and the old rows stay until the answer to the newest words comes.
    terminal.type_text("\x7f");
    terminal.wait_for_text(DEADLINE, "? help");
    proxy.inject_both(Fault::Freeze(Duration::MAX));
    terminal.type_text("/song 11");
    let typed = terminal.wait_for_text(DEADLINE, "/song 11");
    assert!(typed.contains("song 270"), "{typed}");
    proxy.inject_both(Fault::Thaw);
    terminal.wait_for(DEADLINE, "what was found", |screen| {
        screen.rows[0].ends_with("3 Songs                       12") && screen.contains("nothing found")
    });
    terminal.type_text("\rq");
    terminal.wait_for_text(DEADLINE, "trill>");
    assert_eq!(asked(&proxy, 6), [(0, 20), (0, 20), (0, 19), (0, 19)]);
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn a_window_that_changes_its_size_is_drawn_anew() {
    let (_music, server) = serve();
    let terminal = browse(Client::of(server.address()), VT100);
    terminal.resize(Size { rows: 10, columns: 40 });
    let narrow = terminal.wait_for_text(DEADLINE, "1 Artists 2 Albums 3 Songs 4 Queue");
    assert!(narrow.contains("Miles Davis"), "{narrow}");
    // A list that is empty, on a window without room for it.
    terminal.type_text("4");
    terminal.wait_for_text(DEADLINE, "nothing is queued");
    terminal.resize(Size { rows: 1, columns: 80 });
    terminal.wait_for(DEADLINE, "the last row", |screen| screen.rows[0].contains("? help"));
    terminal.resize(Size { rows: 30, columns: 120 });
    terminal.wait_for(DEADLINE, "four panes", |screen| {
        ["1 Artists", "2 Albums", "3 Songs", "4 Queue"].iter().all(|name| screen.rows[0].contains(name))
            && screen.rows[29].contains("? help")
    });
}

#[test]
fn when_the_server_comes_back_everything_is_asked_again() {
    let (music, server) = serve();
    let address = server.address();
    let terminal = browse(Client::of(address), VT100);
    terminal.type_text("3\r");
    terminal.wait_for_text(DEADLINE, "▶");
    server.stop();
    let away = terminal.wait_for_text(DEADLINE, "reconnecting");
    assert!(away.contains("群青日和"), "the rows stay: {away}");
    music.add("Miles Davis/Kind of Blue/All Blues.mp3", &corpus::CBR_128.milliseconds(60_000));
    let _server = ServerProcess::start_at(music.path(), address);
    terminal
        .wait_for(DEADLINE, "the new song", |screen| screen.contains("All Blues") && !screen.contains("reconnecting"));
}

#[test]
fn without_music_a_lost_server_is_asked_until_it_comes_back() {
    let (music, server) = serve();
    let address = server.address();
    let terminal = browse(Client::of(address), VT100);
    server.stop();
    terminal.wait_for_text(DEADLINE, "reconnecting");
    music.add("Miles Davis/Kind of Blue/All Blues.mp3", &corpus::CBR_128.milliseconds(60_000));
    let _server = ServerProcess::start_at(music.path(), address);
    terminal
        .wait_for(DEADLINE, "the new song", |screen| screen.contains("All Blues") && !screen.contains("reconnecting"));
}

#[test]
fn however_the_program_ends_the_terminal_is_as_it_was() {
    let (_music, server) = serve();
    for ends in [&[":quit\r"][..], &[key::CTRL_C, key::CTRL_D]] {
        let mut terminal = browse(Client::of(server.address()), VT100);
        for end in ends {
            terminal.type_text(end);
            let has_left = || terminal.transcript().contains(LEAVE);
            trill_tests::wait::wait_for(DEADLINE, "the first screen", has_left);
        }
        assert_eq!(terminal.wait(DEADLINE).code(), Some(0), "{ends:?}: {terminal}");
        check_restored(&terminal);
    }
    let client = Client::of(server.address()).started_by("env", [DEFAULT_SIGNALS]);
    let mut terminal = browse(client, VT100);
    terminal.signal(rustix::process::Signal::TERM);
    terminal.wait(DEADLINE);
    check_restored(&terminal);
}

#[track_caller]
fn check_restored(terminal: &Terminal) {
    assert!(terminal.is_cooked(), "{terminal}");
    assert!(terminal.transcript().contains(LEAVE), "{terminal}");
    assert!(!terminal.screen_contains("1 Artists"), "{terminal}");
}

#[test]
fn ctrl_z_shows_the_shell_and_fg_the_songs() {
    let (_music, server) = serve();
    let script = "\"$@\"; echo halt 1; read line; fg; echo halt 2; read line; fg";
    let client = Client::of(server.address()).args(["--output=null", "browse"]);
    let client = client.started_by("env", [DEFAULT_SIGNALS, "bash", "-m", "-c", script, "bash"]);
    let terminal = client.in_terminal(VT100);
    for number in 1..=2 {
        terminal.wait_for_text(DEADLINE, "群青日和");
        terminal.type_text(key::CTRL_Z);
        let shell = terminal.wait_for_text(DEADLINE, &format!("halt {number}"));
        assert!(terminal.is_cooked() && !shell.contains("群青日和"), "{terminal}");
        terminal.type_text("\n");
    }
    terminal.wait_for(DEADLINE, "the songs", |screen| screen.contains("群青日和") && !terminal.is_cooked());
    terminal.type_text("4");
    terminal.wait_for_text(DEADLINE, "nothing is queued");
}
