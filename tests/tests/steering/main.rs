//! A player that is controlled from outside: by `trill ctl` from another terminal, and by media keys.
#![cfg(target_os = "linux")]

mod ctl;
mod desktop;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use trill_tests::client::Client;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::process::Output;
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Terminal, VT100};

const DEADLINE: Duration = Duration::from_secs(60);

/// Two songs of a minute each, and a place for the sockets of a user's session.
struct Session {
    runtime: TempDir,
    server: ServerProcess,
    _music: MusicDir,
}

impl Session {
    fn start() -> Self {
        Self::with_empty_songs(0)
    }

    /// Further songs without music make a long list.
    fn with_empty_songs(count: usize) -> Self {
        let music = MusicDir::new();
        for number in 1..=2 {
            music.add(format!("{number}.mp3"), &corpus::CBR_128.milliseconds(60_000));
        }
        for number in 0..count {
            music.add_bytes(format!("empty{number:05}.mp3"), b"");
        }
        let server = ServerProcess::start(music.path());
        let runtime = TempDir::with_prefix("trill-session-").expect("a temporary directory");
        Self { runtime, server, _music: music }
    }

    fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    fn client(&self) -> Client {
        Client::of(self.server.address()).env("XDG_RUNTIME_DIR", self.runtime())
    }

    /// A player in a terminal, with its prompt.
    #[track_caller]
    fn player(&self) -> Terminal {
        prompt(self.client())
    }

    /// A player that plays the first song.
    #[track_caller]
    fn playing(&self) -> Terminal {
        let player = self.player();
        player.type_line("play 1-2");
        player.wait_for_text(DEADLINE, "0:01");
        player
    }

    fn ctl_client(&self, arguments: &[&str]) -> Client {
        Client::new().env("XDG_RUNTIME_DIR", self.runtime()).arg("ctl").args(arguments)
    }

    /// Runs `trill ctl`.
    #[track_caller]
    fn ctl(&self, arguments: &[&str]) -> Output {
        self.ctl_client(arguments).run(DEADLINE)
    }

    /// Runs `trill ctl` with success and returns what it printed.
    #[track_caller]
    fn answer(&self, arguments: &[&str]) -> String {
        self.ctl(arguments).expect_code(0).stdout
    }

    /// Runs `trill ctl`, which fails with `code` and `reason`.
    #[track_caller]
    fn check_failure(&self, arguments: &[&str], code: i32, reason: &str) {
        let output = self.ctl(arguments).expect_code(code);
        assert_eq!((output.stdout.as_str(), output.stderr.trim_end()), ("", reason), "{arguments:?}");
    }
}

#[track_caller]
fn prompt(client: Client) -> Terminal {
    let player = client.arg("--output=null").in_terminal(VT100);
    player.wait_for_text(DEADLINE, "trill>");
    player
}
