//! Media keys and desktop applets: the player on the D-Bus session bus, as the MPRIS specification 2.2 describes it.
//!
//! ```text
//!   playerctl, media keys ──▶ session bus ──▶ zbus ──▶ Player: a command line ──▶ app
//!                                  ▲                                               │
//!                                  └───── PropertiesChanged, Seeked ◀── changes ◀──┘ status
//! ```
//!
//! One thread runs all of it. It starts beside the connection to the server, so that the prompt does not wait for the bus.
//! Without a session bus the thread ends.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use std::{io, mem, process, thread};

use trill_player::command::{Command, MAX_POSITION, MAX_VOLUME, Repeat, Seek, Shuffle, Volume};
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::{ObjectPath, Variant, connection, fdo, interface};
use zruntime::mpmc;

use crate::remote::{Follower, Reply, Request};
use crate::ui::status::{PlaybackState, Queue, Status};
use crate::ui::text::clean;

/// Where the specification puts the player's objects.
const PATH: &str = "/org/mpris/MediaPlayer2";

/// The specification's name for no song.
const NO_TRACK: &str = "/org/mpris/MediaPlayer2/TrackList/NoTrack";

/// A larger difference between the expected and the actual position is a seek.
const SEEK_THRESHOLD: Duration = Duration::from_millis(500);

/// Connects to the session bus in a thread of its own. Passes commands to `on_request`, and calls `on_end` with the reason if
/// there is no bus or the connection to it is lost.
///
/// # Errors
/// The system cannot start a thread.
pub fn start(
    on_request: impl Fn(Request) + Send + Sync + 'static,
    on_end: impl FnOnce(&str) + Send + 'static,
) -> io::Result<()> {
    let run = || {
        if let Err(error) = zbus::block_on(serve(Box::new(on_request))) {
            on_end(&error.to_string());
        }
    };
    thread::Builder::new().name("mpris".into()).spawn(run).map(drop)
}

type OnRequest = Box<dyn Fn(Request) + Send + Sync>;

/// Serves the bus until the program ends.
async fn serve(on_request: OnRequest) -> zbus::Result<()> {
    let connection = connection::Builder::session()
        .name(format!("org.mpris.MediaPlayer2.trill.instance{}", process::id()))
        .serve_at(PATH, Program)
        .serve_at(PATH, Player { on_request, now: Snapshot::stopped(), will_play: None })
        .build()
        .await?;
    let player = connection.object_server().interface::<_, Player>(PATH).await?;
    let (sender, changes) = mpmc::unbounded();
    let follower = Follower::new(move |status| sender.try_send(Snapshot::of(status)).is_ok());
    (player.get().await.on_request)(Request::Follow(follower));
    while let Ok(now) = changes.recv().await {
        let before = player.get_mut().await.update(now);
        announce(&player, &before).await?;
    }
    Ok(())
}

/// Signals what has changed since `before`.
async fn announce(player: &InterfaceRef<Player>, before: &Snapshot) -> zbus::Result<()> {
    let emitter = player.signal_emitter();
    let player = player.get().await;
    let now = &player.now;
    if now.track != before.track {
        player.metadata_changed(emitter).await?;
    } else if now.position.abs_diff(before.position_at(now.at)) > SEEK_THRESHOLD {
        Player::seeked(emitter, micros(now.position)).await?;
    }
    if now.playback_status() != before.playback_status() {
        player.playback_status_changed(emitter).await?;
    }
    if now.volume_percent != before.volume_percent {
        player.volume_changed(emitter).await?;
    }
    if now.queue.shuffle != before.queue.shuffle {
        player.shuffle_changed(emitter).await?;
    }
    if now.queue.repeat != before.queue.repeat {
        player.loop_status_changed(emitter).await?;
    }
    if now.queue.has_next != before.queue.has_next {
        player.can_go_next_changed(emitter).await?;
    }
    if now.queue.has_previous != before.queue.has_previous {
        player.can_go_previous_changed(emitter).await?;
    }
    Ok(())
}

/// The program as a whole.
struct Program;

#[interface(name = "org.mpris.MediaPlayer2", introspection_docs = false)]
impl Program {
    fn raise(&self) {}

    fn quit(&self) {}

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_quit(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_raise(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn has_track_list(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn identity(&self) -> &str {
        "Trill"
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn supported_uri_schemes(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn supported_mime_types(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The music.
struct Player {
    on_request: OnRequest,
    now: Snapshot,
    /// What the last press leads to, until the app reports a status. A second press may come before that.
    will_play: Option<bool>,
}

impl Player {
    /// Takes the app's status. Returns the one before.
    fn update(&mut self, now: Snapshot) -> Snapshot {
        self.will_play = None;
        mem::replace(&mut self.now, now)
    }

    fn execute(&self, command: Command<'_>) {
        (self.on_request)(Request::Execute { line: command.to_string(), reply: Reply::ignored() });
    }
}

// Calls are handled in the order in which they come.
#[interface(name = "org.mpris.MediaPlayer2.Player", introspection_docs = false, spawn = false)]
impl Player {
    fn next(&self) {
        self.execute(Command::Next(None));
    }

    fn previous(&self) {
        self.execute(Command::Previous);
    }

    fn pause(&mut self) {
        self.will_play = Some(false);
        self.execute(Command::Pause);
    }

    fn play(&mut self) {
        self.will_play = Some(true);
        self.execute(Command::Resume);
    }

    fn play_pause(&mut self) {
        let plays = self.will_play.unwrap_or(self.now.playback_status() == "Playing");
        if plays { self.pause() } else { self.play() }
    }

    fn stop(&self) {
        self.execute(Command::Stop);
    }

    /// By this many microseconds. Beyond the end is the next song.
    fn seek(&self, offset: i64) {
        let distance = Duration::from_micros(offset.unsigned_abs());
        let position = self.now.position_at(Instant::now());
        let is_beyond = self.now.length().is_some_and(|length| position + distance > length);
        self.execute(match offset {
            ..0 => Command::Seek(Seek::Back(whole_millis(distance))),
            _ if is_beyond => Command::Next(None),
            _ => Command::Seek(Seek::Forward(whole_millis(distance))),
        });
    }

    /// Ignored if the song is not that long, or has changed meanwhile.
    fn set_position(&self, track: ObjectPath<'_>, position: i64) {
        let Ok(position) = u64::try_from(position).map(Duration::from_micros) else { return };
        let is_within = self.now.length().is_none_or(|length| position <= length);
        if track == self.now.path() && is_within {
            self.execute(Command::Seek(Seek::To(whole_millis(position))));
        }
    }

    fn open_uri(&self, _uri: &str) -> fdo::Result<()> {
        Err(fdo::Error::NotSupported("songs come from the server".into()))
    }

    #[zbus(signal)]
    async fn seeked(emitter: &SignalEmitter<'_>, position: i64) -> zbus::Result<()>;

    #[zbus(property)]
    fn playback_status(&self) -> &str {
        self.now.playback_status()
    }

    #[zbus(property)]
    fn loop_status(&self) -> &str {
        match self.now.queue.repeat {
            Repeat::Off => "None",
            Repeat::All => "Playlist",
            Repeat::One => "Track",
        }
    }

    // A setter also changes `now`: zbus signals the new value before the app reports it.
    #[zbus(property)]
    fn set_loop_status(&mut self, status: &str) -> fdo::Result<()> {
        self.now.queue.repeat = match status {
            "None" => Repeat::Off,
            "Playlist" => Repeat::All,
            "Track" => Repeat::One,
            _ => return Err(fdo::Error::InvalidArgs(format!("no such loop status: {status}"))),
        };
        self.execute(Command::Repeat(Some(self.now.queue.repeat)));
        Ok(())
    }

    #[zbus(property)]
    fn shuffle(&self) -> bool {
        self.now.queue.shuffle != Shuffle::Off
    }

    #[zbus(property)]
    fn set_shuffle(&mut self, is_on: bool) {
        if is_on != self.shuffle() {
            self.now.queue.shuffle = if is_on { Shuffle::Songs } else { Shuffle::Off };
            self.execute(Command::Shuffle(Some(self.now.queue.shuffle)));
        }
    }

    #[zbus(property)]
    fn metadata(&self) -> HashMap<&str, Variant<'_>> {
        let mut metadata = HashMap::from([("mpris:trackid", Variant::from(self.now.path()))]);
        let Some(track) = &self.now.track else { return metadata };
        if let Some(length) = track.length {
            metadata.insert("mpris:length", Variant::from(micros(length)));
        }
        for (name, text) in [("xesam:title", &track.title), ("xesam:album", &track.album)] {
            if !text.is_empty() {
                metadata.insert(name, Variant::from(text.as_str()));
            }
        }
        if !track.artist.is_empty() {
            metadata.insert("xesam:artist", Variant::from(vec![track.artist.as_str()]));
        }
        metadata
    }

    #[zbus(property)]
    fn volume(&self) -> f64 {
        f64::from(self.now.volume_percent) / 100.0
    }

    #[zbus(property)]
    fn set_volume(&mut self, volume: f64) {
        // Not a number becomes zero.
        self.now.volume_percent = (volume.clamp(0.0, 1.0) * 100.0).round() as u8;
        self.execute(Command::Volume(Some(Volume::To(self.now.volume_percent))));
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn position(&self) -> i64 {
        micros(self.now.position_at(Instant::now()))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn rate(&self) -> f64 {
        1.0
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn minimum_rate(&self) -> f64 {
        1.0
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn maximum_rate(&self) -> f64 {
        1.0
    }

    #[zbus(property)]
    fn can_go_next(&self) -> bool {
        self.now.queue.has_next
    }

    #[zbus(property)]
    fn can_go_previous(&self) -> bool {
        self.now.queue.has_previous
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_play(&self) -> bool {
        true
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_pause(&self) -> bool {
        true
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_seek(&self) -> bool {
        true
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_control(&self) -> bool {
        true
    }
}

/// The app's status at some time.
struct Snapshot {
    state: PlaybackState,
    track: Option<Track>,
    position: Duration,
    at: Instant,
    volume_percent: u8,
    queue: Queue,
}

#[derive(PartialEq)]
struct Track {
    number: u32,
    title: String,
    artist: String,
    album: String,
    length: Option<Duration>,
}

impl Snapshot {
    fn of(status: &Status) -> Self {
        let track = status.song.as_ref().map(|song| Track {
            number: song.number,
            title: clean(&song.title),
            artist: clean(&song.artist),
            album: clean(&song.album),
            length: song.duration,
        });
        Self {
            state: status.state,
            track,
            position: status.song.as_ref().map_or(Duration::ZERO, |song| song.position),
            at: Instant::now(),
            volume_percent: status.volume_percent,
            queue: status.queue,
        }
    }

    /// Before the app reports its status.
    fn stopped() -> Self {
        Self::of(&Status { volume_percent: MAX_VOLUME, ..Status::default() })
    }

    fn playback_status(&self) -> &'static str {
        match self.state {
            PlaybackState::Stopped | PlaybackState::Connecting => "Stopped",
            PlaybackState::Paused => "Paused",
            PlaybackState::Playing | PlaybackState::Buffering | PlaybackState::Reconnecting => "Playing",
        }
    }

    fn path(&self) -> ObjectPath<'static> {
        let path = self.track.as_ref().map_or(NO_TRACK.to_owned(), |track| format!("/trill/song/{}", track.number));
        ObjectPath::try_from(path).expect("a path of letters, digits and slashes")
    }

    fn length(&self) -> Option<Duration> {
        self.track.as_ref()?.length
    }

    /// The position at an instant, if nothing changes until then.
    fn position_at(&self, instant: Instant) -> Duration {
        let is_moving = self.state == PlaybackState::Playing;
        let passed = if is_moving { instant.saturating_duration_since(self.at) } else { Duration::ZERO };
        let position = self.position + passed;
        self.length().map_or(position, |length| position.min(length))
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Commands take whole milliseconds.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).min(MAX_POSITION)
}
