//! Commands from outside the program: from another terminal ([`ctl`](crate::ctl)) or from the desktop ([`mpris`](crate::mpris)).
//!
//! Both send a [`Request`] to the app, which executes it as if it was typed at the prompt.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};

use crate::ui::status::Status;

/// What someone outside the program wants from it.
#[derive(Debug)]
pub enum Request {
    /// Execute a line as if it was typed at the prompt, and send its output to `reply`.
    Execute {
        /// The line.
        line: String,
        /// Where the output goes.
        reply: Reply,
    },
    /// Call this with the status now, and again whenever something has changed.
    Follow(Follower),
}

/// Receives the status. Returns whether it wants to be called again.
pub struct Follower(Box<dyn FnMut(&Status) -> bool + Send>);

impl Follower {
    /// A follower that is called with the status. It must not block, and returns whether it wants to be called again.
    pub fn new(on_status: impl FnMut(&Status) -> bool + Send + 'static) -> Self {
        Self(Box::new(on_status))
    }

    /// Passes the status on. Returns whether the follower wants to be called again.
    pub(crate) fn call(&mut self, status: &Status) -> bool {
        (self.0)(status)
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

/// A part of the answer to [`Request::Execute`].
#[derive(Debug)]
pub enum Answer {
    /// Lines of the result, without a line end after the last. Drop the guard when they are written.
    Output(String, OnDrop),
    /// An error, on one line. The command has failed.
    Error(String),
}

/// Where the answer to a [`Request`] goes. The answer is complete when all clones are dropped.
#[derive(Clone, Debug)]
pub struct Reply {
    sender: Option<Sender<Answer>>,
    is_json: bool,
}

impl Reply {
    /// A reply, and the answers that are sent to it: results as JSON or as text.
    pub fn channel(is_json: bool) -> (Self, Receiver<Answer>) {
        let (sender, answers) = mpsc::channel();
        (Self { sender: Some(sender), is_json }, answers)
    }

    /// A reply that nobody reads.
    pub fn ignored() -> Self {
        Self { sender: None, is_json: false }
    }

    /// Whether results are JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.is_json
    }

    /// Sends a part of the answer. Returns whether it may still be read.
    pub(crate) fn send(&self, answer: Answer) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.send(answer).is_ok())
    }
}

/// Calls a function when it is dropped.
pub struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl OnDrop {
    /// Calls `on_drop` when the value is dropped.
    pub fn new(on_drop: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(on_drop)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(on_drop) = self.0.take() {
            on_drop();
        }
    }
}

impl fmt::Debug for OnDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDrop").finish_non_exhaustive()
    }
}
