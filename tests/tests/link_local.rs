//! A server on a link-local address, in a network namespace of its own.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::time::Duration;

use trill_tests::binaries;
use trill_tests::corpus::{self, MusicDir};
use trill_tests::process::Process;
use trill_tests::server::ServerProcess;

const DEADLINE: Duration = Duration::from_secs(60);

/// Makes an interface with the address fe80::5 and runs the arguments.
const IN_NAMESPACE: &str = "ip link set lo up && ip link add trill0 type veth peer name trill1 && ip link set trill1 up && \
    ip link set trill0 up && ip address add fe80::5/64 dev trill0 nodad && exec \"$0\" \"$@\"";

fn in_namespace(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", IN_NAMESPACE]).args(arguments);
    command
}

#[test]
fn what_the_server_says_can_be_typed() {
    let probe = in_namespace(&["true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no network namespace can be made here");
        return;
    }
    let music = MusicDir::new();
    music.add("1.mp3", &corpus::CBR_128.milliseconds(500));
    let server = ServerProcess::command();
    let program = server.get_program().to_str().expect("a path that is text");
    let directory = music.path().to_str().expect("a path that is text");
    for (listen, command) in [
        ("[fe80::5%trill0]:7455", "trill [fe80::5%trill0]"),
        ("fe80::5%trill0", "trill [fe80::5%trill0]"),
        ("[fe80::5]:80", "trill [fe80::5%trill0]:80"),
        ("[::]:7455", "trill [fe80::5%trill0]"),
    ] {
        let mut server = Process::spawn("trill-server", in_namespace(&[program, "--listen", listen, "-v", directory]));
        let line = server.wait_for_line(DEADLINE, "fe80::5%trill0");
        assert!(listen == "[::]:7455" || line.starts_with("listening on [fe80::5%trill0]:"), "{line}");
        server.wait_for_line(DEADLINE, command);
        let (_, address) = command.split_once(' ').expect("an argument");
        let mut client = Command::new("nsenter");
        client.args(["--net", "--target", &server.id().to_string()]).arg(binaries::client()).args([address, "list"]);
        let output = Process::spawn("trill", client).wait(DEADLINE).expect_code(0);
        assert_eq!(output.stdout.lines().count(), 1, "{output}");
        server.wait_for_line(DEADLINE, "%trill0]:");
        server.terminate().expect_code(0);
    }
}
