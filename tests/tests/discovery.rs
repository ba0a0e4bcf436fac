//! Servers that announce themselves, and clients that find them, on two machines: network namespaces.
#![cfg(target_os = "linux")]

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use trill_discovery::{GROUP, MAX_QUERY_BYTES, Query};
use trill_tests::client::{Client, STATE_HOME};
use trill_tests::corpus::{self, MusicDir};
use trill_tests::namespace::Namespace;
use trill_tests::process::{Output, Process};
use trill_tests::server::ServerProcess;
use trill_tests::terminal::{Terminal, VT100};
use trill_tests::wait;

const DEADLINE: Duration = Duration::from_secs(60);

/// A network with the machine of the servers and the machine of the clients.
struct Network {
    servers: Namespace,
    clients: Namespace,
    music: MusicDir,
}

impl Network {
    fn new() -> Self {
        let (servers, clients) = Namespace::pair();
        let music = MusicDir::new();
        music.add("1.mp3", &corpus::LONG);
        Self { servers, clients, music }
    }

    /// Starts a server with these options.
    #[track_caller]
    fn serve(&self, options: &[&str]) -> Process {
        let mut command = self.servers.command(ServerProcess::command().get_program());
        command.args(options).arg(self.music.path());
        let mut server = Process::spawn("trill-server", command);
        server.wait_for_line(DEADLINE, "ready, ");
        server
    }

    fn client(&self) -> Client {
        Client::new().started_by("nsenter", self.clients.entrance())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.client().args(arguments).run(DEADLINE)
    }

    /// Waits until `--find` prints these lines. An announcement takes about a second.
    #[track_caller]
    fn wait_until_found(&self, expected: &[&str]) {
        let found = || self.run(&["--find"]).stdout;
        wait::wait_for(DEADLINE, "the servers are found", || found().lines().eq(expected.iter().copied()));
    }
}

#[track_caller]
fn expect_connected(output: &Output, line: &str) {
    assert!(output.stderr.lines().any(|found| found == line), "no {line:?} in {output}");
}

#[test]
fn a_server_is_found_by_its_name_and_by_listing() {
    let network = Network::new();
    let nothing = network.run(&["--find"]).expect_code(1);
    assert!(nothing.stderr.starts_with("trill: no server found on this network"), "{nothing}");
    let server = network.serve(&["--listen", "0.0.0.0:7456", "--name", "attic"]);
    network.wait_until_found(&["attic\t10.7.0.1:7456"]);
    expect_connected(&network.run(&["-v", "attic", "list"]).expect_code(0), "connected to attic (10.7.0.1:7456)");
    expect_connected(&network.run(&["-v", "ATTIC", "list"]).expect_code(0), "connected to attic (10.7.0.1:7456)");
    // A port makes it the name of a machine.
    let machine = network.run(&["attic:7456", "list"]).expect_code(1);
    assert!(machine.stderr.starts_with("trill: cannot find the host attic: "), "{machine}");
    server.terminate().expect_code(0);
    let gone = network.run(&["attic", "list"]).expect_code(1);
    assert!(gone.stderr.starts_with("trill: cannot find the host attic: "), "{gone}");
}

/// Asks like a board for the server with this name, until one answers.
#[track_caller]
fn find_like_a_board(network: &Network, name: &str) -> SocketAddr {
    let query = Query::new(name, 7).expect("a possible name");
    network.clients.run(|| {
        let socket = UdpSocket::bind("10.7.0.2:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(400))).expect("a time-out");
        wait::wait_for_some(DEADLINE, "an answer", || {
            socket.send_to(query.write(&mut [0; MAX_QUERY_BYTES]), GROUP).expect("a network");
            let mut answer = [0; 512];
            let count = socket.recv(&mut answer).ok()?;
            query.read_answer(&answer[..count]).map(SocketAddr::from)
        })
    })
}

#[test]
fn a_board_finds_a_server_by_its_name() {
    let network = Network::new();
    let server = network.serve(&["--listen", "0.0.0.0:7456", "--name", "attic"]);
    let _other = network.serve(&["--listen", "0.0.0.0:7457", "--name", "cellar"]);
    assert_eq!(find_like_a_board(&network, "Attic"), "10.7.0.1:7456".parse().unwrap());
    server.terminate().expect_code(0);
    let _moved = network.serve(&["--listen", "0.0.0.0:7458", "--name", "attic"]);
    assert_eq!(find_like_a_board(&network, "attic"), "10.7.0.1:7458".parse().unwrap());
}

#[test]
fn only_addresses_that_accept_are_announced() {
    let network = Network::new();
    let _attic = network.serve(&["--listen", "[fd07::1]:7456", "--name", "attic"]);
    let _loopback = network.serve(&["--listen", "127.0.0.1:7457", "--name", "cellar"]);
    let _hidden = network.serve(&["--listen", "0.0.0.0:7458", "--name", "den", "--no-announce"]);
    let _dual = network.serve(&["--listen", "[::]:7459", "--name", "eaves"]);
    network.wait_until_found(&["attic\t[fd07::1]:7456", "eaves\t10.7.0.1:7459"]);
    expect_connected(&network.run(&["-v", "attic", "list"]).expect_code(0), "connected to attic ([fd07::1]:7456)");
}

#[test]
fn names_are_clean() {
    let network = Network::new();
    let _server = network.serve(&["--listen", "0.0.0.0:7456", "--name", "St. \u{1b}]2;x\u{7}Mary"]);
    network.wait_until_found(&["St- Mary\t10.7.0.1:7456"]);
}

#[test]
fn two_servers_of_one_name_are_told_apart() {
    let network = Network::new();
    let _first = network.serve(&["--listen", "0.0.0.0:7456", "--name", "attic"]);
    network.wait_until_found(&["attic\t10.7.0.1:7456"]);
    let mut second = network.serve(&["--listen", "0.0.0.0:7457", "--name", "attic"]);
    second.wait_for_line(DEADLINE, "clients find this one as \"attic (2)\"");
    network.wait_until_found(&["attic\t10.7.0.1:7456", "attic (2)\t10.7.0.1:7457"]);
    let expected = "trill: 2 servers are named attic; choose one by its address: \
                    10.7.0.1:7456 (attic), 10.7.0.1:7457 (attic (2))\n";
    // A server that has just answered another client stays silent for a second.
    let is_ambiguous = || network.run(&["attic", "list"]).stderr == expected;
    wait::wait_for(DEADLINE, "the error names both servers", is_ambiguous);
    let second = || network.run(&["-v", "attic (2)", "list"]);
    let is_found = || second().stderr.contains("connected to attic (10.7.0.1:7457)");
    wait::wait_for(DEADLINE, "the second server is found by its full name", is_found);
    let gone = network.run(&["attic (3)", "list"]).expect_code(1);
    assert!(gone.stderr.starts_with("trill: cannot find the host attic (3): "), "{gone}");
}

#[test]
fn a_client_follows_a_server_that_moves() {
    let network = Network::new();
    let server = network.serve(&["--listen", "10.7.0.1:7456", "--name", "attic"]);
    network.wait_until_found(&["attic\t10.7.0.1:7456"]);
    let terminal = network.client().args(["--output=null", "attic"]).in_terminal(VT100);
    terminal.wait_for_text(DEADLINE, "connected to attic (10.7.0.1:7456), 1 song");
    terminal.type_line("play 1");
    terminal.wait_for_text(DEADLINE, "▶ 1");
    server.terminate().expect_code(0);
    terminal.wait_for_text(DEADLINE, "reconnecting");
    network.servers.ip(&["address", "add", "10.7.0.9/24", "dev", "lan"]);
    let _moved = network.serve(&["--listen", "10.7.0.9:7457", "--name", "attic"]);
    terminal.wait_for_text(DEADLINE, "connected again");
    terminal.type_line("status");
    terminal.wait_for_text(DEADLINE, "attic at 10.7.0.9:7457");
}

#[test]
fn a_prompt_without_a_host_takes_the_only_server_and_the_last_one_then() {
    let network = Network::new();
    let home = tempfile::tempdir().expect("a temporary directory");
    let prompt = || network.client().arg("--output=null").env(STATE_HOME, home.path()).in_terminal(VT100);
    let quit = |mut terminal: Terminal| {
        terminal.type_line("quit");
        assert!(terminal.wait(DEADLINE).success(), "{terminal}");
    };
    let mut nothing = prompt();
    assert_eq!(nothing.wait(DEADLINE).code(), Some(1));
    assert!(nothing.screen_contains("localhost:7455 refused the connection"), "{nothing}");
    let attic = network.serve(&["--listen", "0.0.0.0:7456", "--name", "attic"]);
    network.wait_until_found(&["attic\t10.7.0.1:7456"]);
    let terminal = prompt();
    terminal.wait_for_text(DEADLINE, "connected to attic (10.7.0.1:7456, the only server on the network)");
    quit(terminal);
    // Another port, and another server.
    attic.terminate().expect_code(0);
    let _attic = network.serve(&["--listen", "0.0.0.0:7457", "--name", "attic"]);
    let _cellar = network.serve(&["--listen", "0.0.0.0:7458", "--name", "cellar"]);
    network.wait_until_found(&["attic\t10.7.0.1:7457", "cellar\t10.7.0.1:7458"]);
    let terminal = prompt();
    terminal.wait_for_text(DEADLINE, "connected to attic (10.7.0.1:7457, the last server)");
    quit(terminal);
}
