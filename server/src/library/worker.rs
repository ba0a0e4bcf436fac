//! Jobs that may wait for a disk, on threads that end when there is nothing to do.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Library;
use super::song::SongError;
use crate::spawn_thread;

/// Threads at most; further jobs wait. This bounds the memory and the descriptors of jobs.
const MAX_THREADS: usize = 64;

/// A job that several callers may wait for. When all clones but the job's own are dropped, the job is cancelled.
pub struct Task<T>(pub(super) Arc<Promise<T>>);

/// The result of a job.
pub(super) struct Promise<T> {
    result: Mutex<Option<Result<T, SongError>>>,
    done: Condvar,
}

impl<T> Clone for Task<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.0.result().is_some()).finish()
    }
}

impl<T: Clone> Task<T> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Promise { result: Mutex::new(None), done: Condvar::new() }))
    }

    /// Waits for the result, at most for `timeout`. `None` if there is none by then.
    pub fn wait_for(&self, timeout: Duration) -> Option<Result<T, SongError>> {
        let waited = self.0.done.wait_timeout_while(self.0.result(), timeout, |result| result.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(super) fn wait(&self) -> Result<T, SongError> {
        loop {
            if let Some(result) = self.wait_for(Duration::MAX) {
                return result;
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.result().is_some()
    }

    /// Whether a caller waits besides the job itself.
    pub(super) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Runs the job and publishes its result. A file that causes a panic must not block its callers.
    pub(super) fn run(&self, job: impl FnOnce() -> Result<T, SongError>) {
        let result = catch_unwind(AssertUnwindSafe(job));
        let result = result.unwrap_or_else(|_| Err(io::Error::other("a bug in reading it").into()));
        *self.0.result() = Some(result);
        self.0.done.notify_all();
    }
}

impl<T> Promise<T> {
    fn result(&self) -> MutexGuard<'_, Option<Result<T, SongError>>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Job = Box<dyn FnOnce(&Library) + Send>;

/// The jobs that wait, and the number of threads.
#[derive(Default)]
pub(super) struct Workers(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
}

impl Library {
    /// Runs a job on a worker thread. If there is none and none can be started, runs it on this thread.
    pub(super) fn run_in_background(&self, job: impl FnOnce(&Self) + Send + 'static) {
        if !self.workers.enqueue(Box::new(job)) {
            return;
        }
        let this = self.this.clone();
        let run = move || this.upgrade().iter().for_each(|library| library.run_jobs());
        if spawn_thread("worker", run).is_err() && !self.workers.leave_to_others() {
            self.run_jobs();
        }
    }

    fn run_jobs(&self) {
        while let Some(job) = self.workers.next_job() {
            job(self);
        }
    }
}

impl Workers {
    /// Returns whether the caller must start a thread.
    fn enqueue(&self, job: Job) -> bool {
        let mut queue = self.queue();
        queue.jobs.push_back(job);
        let must_start = queue.threads < MAX_THREADS;
        queue.threads += usize::from(must_start);
        must_start
    }

    /// `None` if the thread must end.
    fn next_job(&self) -> Option<Job> {
        let mut queue = self.queue();
        let job = queue.jobs.pop_front();
        queue.threads -= usize::from(job.is_none());
        job
    }

    /// Uncounts a thread that could not be started, if there are others. Returns whether there are.
    fn leave_to_others(&self) -> bool {
        let mut queue = self.queue();
        let has_others = queue.threads > 1;
        queue.threads -= usize::from(has_others);
        has_others
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.queue().threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_left_to_other_threads_only_if_there_are_any() {
        let workers = Workers::default();
        assert!(workers.enqueue(Box::new(|_| {})));
        assert!(!workers.leave_to_others(), "the thread that was to start is the only one");
        assert!(workers.enqueue(Box::new(|_| {})));
        assert!(workers.leave_to_others());
        assert_eq!(workers.threads(), 1);
    }
}
