//! What is typed at the prompt of a terminal.
#![cfg(target_os = "linux")]

use std::time::Duration;
use trill_tests::client::Client;
use trill_tests::corpus::MusicDir;
use trill_tests::server::ServerProcess;
use trill_tests::terminal::Size;

const DEADLINE: Duration = Duration::from_secs(60);

const VT100: Size = Size { rows: 24, columns: 80 };

#[test]
fn no_line_is_lost_that_is_typed_ahead_or_pasted_with_others() {
    let music = MusicDir::new();
    let server = ServerProcess::start(music.path());
    let terminal = Client::of(server.address()).arg("--output=null").in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "trill>");
    let bracketed = ["\x1b[200~delta\nepsilon\nzeta\x1b[201~", "\r"].concat();
    for (typed, words) in
        [("alpha\rbeta\rgamma\r", ["alpha", "beta", "gamma"]), (&bracketed, ["delta", "epsilon", "zeta"])]
    {
        terminal.type_text(typed);
        terminal.wait_for_text(DEADLINE, &format!("no command \"{}\"", words[2]));
        for word in words {
            assert!(terminal.screen_contains(&format!("no command \"{word}\"")), "{word} in {terminal}");
        }
    }
}
