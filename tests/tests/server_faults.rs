//! Faults below the server: disk, directory, descriptors, threads, log. Affected clients get an error, and all others
//! hear every sample.
#![cfg(target_os = "linux")]

use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::message::{EndReason, Hello, Message, PREAMBLE, Start, refusal};
use trill_tests::binaries;
use trill_tests::corpus::{self, MusicDir, Song};
use trill_tests::listener::Listener;
use trill_tests::messages::encode;
use trill_tests::process::Process;
use trill_tests::raw::{Ending, RawConnection};
use trill_tests::reference::layout;
use trill_tests::server::ServerProcess;
use trill_tests::session::Session;
use trill_tests::wait;

/// A deadline for a very slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// The listener's music, longer than any fault.
const LISTENED_TO: Song = corpus::LONG;

/// Longer than the first credit.
const OTHER: Song = corpus::CBR_128;

/// `1.mp3` for the listener, and `more/2.mp3`.
fn music() -> MusicDir {
    let music = MusicDir::new();
    music.add("1.mp3", &LISTENED_TO);
    music.add("more/2.mp3", &OTHER);
    music
}

/// Serves `directory` after `script` ran in a shell with `arguments`, in a mount namespace of its own.
fn serve_mounted(script: &str, arguments: &[&Path], directory: &Path) -> ServerProcess {
    launch(in_mount_namespace(), script, arguments, directory)
}

fn in_mount_namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh"]);
    command
}

/// Whether this user may mount `what`. Prints a message if not: most users may not, nor may root in many containers.
fn may_mount(what: &str, place: &Path) -> bool {
    let mut attempt = in_mount_namespace();
    attempt.arg("-c").arg(format!("mount {what} \"$0\"")).arg(place);
    let attempted = Process::spawn("mount", attempt).wait(DEADLINE);
    if !attempted.status.success() {
        println!("not tested: nothing can be mounted here: {}", attempted.stderr.trim());
    }
    attempted.status.success()
}

fn launch(mut command: Command, script: &str, arguments: &[&Path], directory: &Path) -> ServerProcess {
    let serve =
        format!("set -e; server=$0; music=$1; shift; {script}; exec \"$server\" --listen 127.0.0.1:0 \"$music\"");
    command.arg("-c").arg(serve).arg(binaries::server()).arg(directory).args(arguments);
    let mut server = ServerProcess::launch(command);
    server.wait_until_ready();
    server
}

/// The path in the server's mount namespace.
fn as_seen_by(server: &mut ServerProcess, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.process().id()));
    root.join(path.strip_prefix("/").expect("an absolute path"))
}

/// Runs a program in the server's mount namespace.
#[track_caller]
fn run_inside(server: &mut ServerProcess, words: &[&str]) {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &server.process().id().to_string(), "--"]).args(words);
    Process::spawn(words[0], command).wait(DEADLINE).expect_code(0);
}

/// Runs a listener of song 1 while `act` disturbs the server.
fn while_somebody_listens(server: &mut ServerProcess, act: impl FnOnce(&mut ServerProcess, &mut Session)) {
    let audio = layout::audio_of(&LISTENED_TO.make());
    let mut session = Session::open(server.address());
    session.list_measured();
    thread::scope(|scope| {
        let listener = Listener::start(scope, server.address(), &audio);
        // From here on the server has song 1 open.
        server.process().wait_for_line(DEADLINE, "plays 1");
        act(server, &mut session);
        listener.check("server faults");
    });
}

#[track_caller]
fn check_audio(session: &mut Session, song: u32, expected: &Song) {
    let played = session.play_out(song).expect("a song that is there");
    assert_eq!(played.end, Some(EndReason::Finished));
    assert!(played.audio == layout::audio_of(&expected.make()), "song {song} is not the file");
}

#[track_caller]
fn check_error(session: &mut Session, song: u32, expected: ErrorCode) {
    let stream = session.request_play(song, Start::Time(0));
    assert_eq!(session.started(stream), Err(expected), "song {song}");
}

// ── disk and directory ──

/// A disk image in a file. After truncation, reads beyond the end fail.
#[test]
fn a_disk_that_fails_to_read_ends_that_song_alone_and_plays_it_when_it_is_whole_again() {
    let (music, disk) = (music(), tempfile::tempdir().expect("a temporary directory"));
    let image = disk.path().join("image");
    if !may_mount("-t tmpfs none", music.path()) {
        return;
    }
    File::create(&image).and_then(|image| image.set_len(16 << 20)).expect("room for an image");
    let mut format = Command::new("mkfs.ext4");
    format.args(["-q", "-O", "^has_journal"]).arg(&image);
    Process::spawn("mkfs.ext4, of the package e2fsprogs", format).wait(DEADLINE).expect_code(0);
    let fill = "mount -o loop \"$1\" \"$music/more\"; cp \"$2\" \"$music/more/2.mp3\"; \
                mount -o remount,ro \"$music/more\"";
    if !may_mount(&format!("-o loop {}", image.display()), music.path()) {
        return;
    }
    let mut server = serve_mounted(fill, &[&image, &OTHER.make()], music.path());
    let song = as_seen_by(&mut server, &music.path().join("more/2.mp3"));
    let forget = || {
        let cached = File::open(&song).expect("the song on the disk");
        fadvise(&cached, 0, None, Advice::DontNeed).expect("the kernel takes advice");
    };
    let whole = fs::read(&image).expect("the image");
    let bytes = fs::read(OTHER.make()).expect("the song");
    let place = whole.windows(4_096).position(|window| window == &bytes[..4_096]).expect("the song is in the image");
    while_somebody_listens(&mut server, |server, session| {
        let stream = session.request_play(2, Start::Time(0));
        session.receive_audio(stream, 16_384);
        let opened = File::options().write(true).open(&image).expect("the image");
        // The rest of the file's last page would read as zeros.
        opened.set_len((place + bytes.len() / 2) as u64 & !0xfff).expect("a file can be cut");
        forget();
        let played = session.receive_all(stream);
        assert_eq!(played.end, Some(EndReason::Failed));
        let audio = layout::audio_of(&OTHER.make());
        assert!(audio.starts_with(&played.audio) && played.audio.len() < audio.len(), "not the beginning of the song");
        server.process().wait_for_line(DEADLINE, "song 2 broke off: the song cannot be read: Input/output error");
        // The connection still works. Whether the song starts again depends on a new scan of it.
        let again = session.play_out(2).map(|played| played.end);
        assert!([Err(ErrorCode::READ_FAILED), Ok(Some(EndReason::Failed))].contains(&again), "{again:?}");
        assert_eq!(session.list().len(), 2);

        fs::write(&image, &whole).expect("room for the image");
        forget();
        check_audio(session, 2, &OTHER);
    });
    server.stop().expect_code(0);
}

#[test]
fn a_directory_that_is_unmounted_is_empty_and_what_plays_plays_on() {
    let (music, place) = (music(), MusicDir::new());
    let mount = "mount --bind \"$1\" \"$music\"";
    if !may_mount(&format!("--bind {}", music.path().display()), place.path()) {
        return;
    }
    let mut server = serve_mounted(mount, &[music.path()], place.path());
    let (from, to) = (music.path().display().to_string(), place.path().display().to_string());
    while_somebody_listens(&mut server, |server, session| {
        let stream = session.request_play(2, Start::Time(0));
        session.receive_audio(stream, 16_384);
        run_inside(server, &["umount", "--lazy", &to]);
        assert_eq!(session.list().len(), 0);
        check_error(session, 1, ErrorCode::SONG_GONE);
        let played = session.receive_all(stream);
        assert_eq!(played.end, Some(EndReason::Finished));
        assert!(played.audio == layout::audio_of(&OTHER.make()), "not the song that was open");

        run_inside(server, &["mount", "--bind", &from, &to]);
        let ids: Vec<_> = session.list_measured().iter().map(|song| song.id).collect();
        assert_eq!(ids, [1, 2], "as they were");
        check_audio(session, 2, &OTHER);
    });
    server.stop().expect_code(0);
}

#[test]
fn a_directory_that_is_replaced_has_other_songs_and_what_plays_plays_on() {
    let (parent, old) = (MusicDir::new(), music());
    let (here, away) = (parent.path().join("music"), parent.path().join("away"));
    fs::rename(old.path(), &here).expect("a directory of this test's own");
    let mut server = ServerProcess::start(&here);
    while_somebody_listens(&mut server, |_, session| {
        let stream = session.request_play(2, Start::Time(0));
        session.receive_audio(stream, 16_384);
        fs::rename(&here, &away).expect("a directory of this test's own");
        parent.add("music/more/2.mp3", &OTHER.seed(2));
        let ids: Vec<_> = session.list_measured().iter().map(|song| song.id).collect();
        assert_eq!(ids.len(), 1, "the other directory has one song: {ids:?}");
        check_error(session, 1, ErrorCode::SONG_GONE);
        let played = session.receive_all(stream);
        assert!(played.audio == layout::audio_of(&OTHER.make()), "not the song that was open");
        check_audio(session, ids[0], &OTHER.seed(2));
    });
    server.stop().expect_code(0);
}

// ── descriptors and threads ──

/// Lowers a limit of the server to its current use, until the guard is dropped.
struct Exhausted {
    pid: u32,
    /// The name of the limit's option in `prlimit`.
    limit: &'static str,
    before: String,
}

impl Exhausted {
    fn of(server: &mut ServerProcess, limit: &'static str) -> Self {
        let pid = server.process().id();
        let before = prlimit(pid, &[limit, "--output=SOFT", "--noheadings"]).trim().to_owned();
        prlimit(pid, &[&format!("{limit}=1:")]);
        Self { pid, limit, before }
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        prlimit(self.pid, &[&format!("{}={}:", self.limit, self.before)]);
    }
}

/// Runs `prlimit` as the process's user, since even root may not always change others' limits.
#[track_caller]
fn prlimit(pid: u32, arguments: &[&str]) -> String {
    let process = fs::metadata(format!("/proc/{pid}")).expect("a running process");
    let mut command = Command::new("prlimit");
    command.args(["--pid", &pid.to_string()]).args(arguments).uid(process.uid()).gid(process.gid());
    Process::spawn("prlimit", command).wait(DEADLINE).expect_code(0).stdout
}

#[test]
fn without_descriptors_nobody_comes_in_and_no_song_is_opened_until_there_are_some() {
    let music = music();
    let mut server = ServerProcess::start(music.path());
    while_somebody_listens(&mut server, |server, session| {
        let exhausted = Exhausted::of(server, "--nofile");
        // A waiting server has a descriptor for the connection.
        Session::open(server.address()).leave();
        let mut waiting = Session::connect(server.address(), Hello::default());
        server.process().wait_for_line(DEADLINE, "cannot accept connections: Too many open files");
        check_error(session, 2, ErrorCode::READ_FAILED);
        // An unreadable directory is not an empty one.
        assert_eq!(session.list().len(), 2);
        server.process().wait_for_line(DEADLINE, "its songs stay listed as they were");

        drop(exhausted);
        assert_eq!(waiting.greeting().song_count, 2);
        server.process().wait_for_line(DEADLINE, "connections are accepted again");
        check_audio(&mut waiting, 2, &OTHER);
        check_audio(session, 2, &OTHER);
    });
    assert_eq!(server.process().lines().iter().filter(|line| line.contains("cannot accept")).count(), 1, "said once");
    server.stop().expect_code(0);
}

#[test]
fn without_threads_nobody_comes_in_and_those_who_are_in_have_what_they_want() {
    let music = music();
    let mut command = ServerProcess::command_without_privileges(music.path());
    command.args(["--listen", "127.0.0.1:0"]).arg(music.path());
    let mut server = ServerProcess::launch(command);
    server.wait_until_ready();
    while_somebody_listens(&mut server, |server, session| {
        let exhausted = Exhausted::of(server, "--nproc");
        let mut refused = RawConnection::connect(server.address());
        refused.send(&[PREAMBLE.as_slice(), &encode(&Message::Hello(Hello::default()))].concat());
        assert_eq!(refused.receive_to_end(DEADLINE), (refusal(Refusal::Busy).to_vec(), Ending::EndOfStream));
        server.process().wait_for_line(DEADLINE, "was refused: cannot start a thread");
        // Without other threads, the connection's thread does the work itself.
        assert_eq!(session.list().len(), 2);
        check_audio(session, 2, &OTHER);
        drop(exhausted);
        check_audio(&mut Session::open(server.address()), 2, &OTHER);
    });
    server.stop().expect_code(0);
}

// ── log ──

#[test]
fn a_full_disk_for_what_it_says_harms_nobody() {
    let music = music();
    let audio = layout::audio_of(&LISTENED_TO.make());
    // The address cannot be read from the log, so it is chosen: one that no other test uses.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = SocketAddr::from((Ipv4Addr::new(127, high, low, 1), 7455));
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" -v --listen \"$1\" \"$2\" >/dev/full 2>/dev/full"]);
    command.arg(binaries::server()).arg(address.to_string()).arg(music.path());
    let server = Process::spawn("trill-server", command);
    wait::wait_for(DEADLINE, "the server's port", || RawConnection::try_connect(address).is_ok());
    thread::scope(|scope| {
        let listener = Listener::start(scope, address, &audio);
        for _ in 0..20 {
            let mut session = Session::open(address);
            assert_eq!(session.list().len(), 2);
            check_error(&mut session, 7, ErrorCode::NO_SUCH_SONG);
            check_audio(&mut session, 2, &OTHER);
            session.leave();
        }
        listener.check("server faults");
    });
    server.terminate().expect_code(0);
}
