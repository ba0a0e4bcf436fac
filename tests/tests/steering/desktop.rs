//! MPRIS: media keys and the desktop's applets, by `playerctl`.

use trill_tests::bus::SessionBus;
use trill_tests::client::Client;
use trill_tests::terminal::{VT100, key};
use trill_tests::wait;

use crate::{DEADLINE, Session, prompt};

/// A client of the bus.
fn on_bus(session: &Session, bus: &SessionBus) -> Client {
    session.client().env("DBUS_SESSION_BUS_ADDRESS", bus.address())
}

/// Waits until `playerctl` with `arguments` prints `expected`.
#[track_caller]
fn wait_for(bus: &SessionBus, arguments: &[&str], expected: &str) {
    let mut last = String::new();
    wait::wait_for(DEADLINE, &format!("{arguments:?} to be {expected:?}"), || {
        last = bus.playerctl(arguments).stdout;
        last.trim_end() == expected
    });
}

#[track_caller]
fn command(bus: &SessionBus, arguments: &[&str]) {
    bus.playerctl(arguments).expect_code(0);
}

#[test]
fn media_keys_and_applets_control_the_player() {
    let session = Session::start();
    let bus = SessionBus::start(session.runtime());
    let mut player = prompt(on_bus(&session, &bus));
    wait_for(&bus, &["status"], "Stopped");
    assert_eq!(bus.playerctl(&["--list-all"]).stdout.trim_end(), format!("trill.instance{}", player.id()));
    player.type_line("play 1-2");
    wait_for(&bus, &["status"], "Playing");
    wait_for(&bus, &["metadata", "mpris:length"], "60000000");
    wait_for(&bus, &["metadata", "title"], "1");
    command(&bus, &["pause"]);
    player.wait_for_text(DEADLINE, "paused");
    wait_for(&bus, &["status"], "Paused");
    command(&bus, &["play-pause"]);
    wait_for(&bus, &["status"], "Playing");
    command(&bus, &["next"]);
    wait_for(&bus, &["metadata", "title"], "2");
    command(&bus, &["previous"]);
    wait_for(&bus, &["metadata", "title"], "1");
    command(&bus, &["position", "40"]);
    player.wait_for_text(DEADLINE, "0:41");
    command(&bus, &["position", "20-"]);
    player.wait_for_text(DEADLINE, "0:22");
    command(&bus, &["volume", "0.3"]);
    wait_for(&bus, &["volume"], "0.300000");
    player.type_line("volume 60");
    wait_for(&bus, &["volume"], "0.600000");
    command(&bus, &["stop"]);
    wait_for(&bus, &["status"], "Stopped");
    player.type_text(key::CTRL_D);
    assert_eq!(player.wait(DEADLINE).code(), Some(0));
    wait_for(&bus, &["--list-all"], "");
}

#[test]
fn an_applet_is_told_what_changes() {
    let session = Session::start();
    let bus = SessionBus::start(session.runtime());
    let player = prompt(on_bus(&session, &bus));
    wait_for(&bus, &["status"], "Stopped");
    let mut applet = bus.spawn_playerctl(&["metadata", "--follow", "--format={{status}} {{title}} {{volume}}"]);
    player.type_line("play 1-2");
    applet.wait_for_line(DEADLINE, "Playing 1 1.0");
    player.type_line("pause");
    applet.wait_for_line(DEADLINE, "Paused 1 1.0");
    player.type_line("volume 50");
    applet.wait_for_line(DEADLINE, "Paused 1 0.5");
    player.type_line("next");
    applet.wait_for_line(DEADLINE, "2 0.5");
}

#[test]
fn an_applet_and_the_prompt_set_the_same_order_and_repetition() {
    let session = Session::start();
    let bus = SessionBus::start(session.runtime());
    let player = prompt(on_bus(&session, &bus));
    player.type_line("play 1-2");
    wait_for(&bus, &["status"], "Playing");
    wait_for(&bus, &["shuffle"], "Off");
    wait_for(&bus, &["loop"], "None");
    let mut applet = bus.spawn_playerctl(&["metadata", "--follow", "--format={{title}} {{shuffle}} {{loop}}"]);
    applet.wait_for_line(DEADLINE, "1 false None");
    player.type_line("shuffle on");
    applet.wait_for_line(DEADLINE, "1 true None");
    player.type_line("repeat all");
    applet.wait_for_line(DEADLINE, "1 true Playlist");
    command(&bus, &["loop", "Track"]);
    player.type_line("status");
    player.wait_for_text(DEADLINE, "place 1 of 2, shuffled, repeat one");
    command(&bus, &["shuffle", "Off"]);
    command(&bus, &["loop", "None"]);
    applet.wait_for_line(DEADLINE, "1 false None");
    command(&bus, &["next"]);
    wait_for(&bus, &["metadata", "title"], "2");
    // playerctl sends a command only if the player says that it is possible.
    let is_possible = |direction: &str| bus.playerctl(&[direction]).status.success();
    wait::wait_for(DEADLINE, "nothing after the last song", || !is_possible("next"));
    command(&bus, &["previous"]);
    wait_for(&bus, &["metadata", "title"], "1");
    wait::wait_for(DEADLINE, "nothing before the first song", || !is_possible("previous"));
    command(&bus, &["loop", "Playlist"]);
    command(&bus, &["next"]);
    wait_for(&bus, &["metadata", "title"], "2");
    wait::wait_for(DEADLINE, "the first song is after the last", || is_possible("next"));
    assert!(!player.screen_contains("is the last"), "{player}");
}

#[test]
fn a_player_works_without_a_bus_and_after_its_end() {
    let session = Session::start();
    let player = prompt(session.client().arg("-v"));
    player.wait_for_text(DEADLINE, "no media keys");
    drop(player);
    let mut bus = SessionBus::start(session.runtime());
    let player = prompt(on_bus(&session, &bus));
    wait_for(&bus, &["status"], "Stopped");
    bus.kill();
    player.type_line("play 1");
    player.wait_for_text(DEADLINE, "0:01");
}

#[test]
fn a_single_play_at_a_terminal_is_controlled_as_a_prompt_is() {
    let session = Session::start();
    let bus = SessionBus::start(session.runtime());
    let mut player = on_bus(&session, &bus).args(["--output=null", "play", "1"]).in_terminal(VT100);
    player.wait_for_text(DEADLINE, "▶ 1");
    wait_for(&bus, &["status"], "Playing");
    command(&bus, &["pause"]);
    player.wait_for_text(DEADLINE, "paused 1");
    assert!(session.answer(&["status"]).contains("state      paused"));
    session.answer(&["quit"]);
    assert_eq!(player.wait(DEADLINE).code(), Some(0), "{player}");
}

#[test]
fn only_a_player_at_a_terminal_is_on_the_bus() {
    let session = Session::start();
    let bus = SessionBus::start(session.runtime());
    let mut script = on_bus(&session, &bus).args(["--output=null", "play", "1"]).spawn();
    script.wait_for_line(DEADLINE, "playing 1");
    let player = prompt(on_bus(&session, &bus));
    wait_for(&bus, &["--list-all"], &format!("trill.instance{}", player.id()));
}
