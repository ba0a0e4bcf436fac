//! Marks the counted code.

use std::hint::black_box;

/// Runs `job` and counts its instructions. Counts of several calls add up.
pub(crate) fn counted<T>(job: impl FnOnce() -> T) -> T {
    let (mut job, mut result) = (Some(job), None);
    counted_by_callgrind(&mut || result = job.take().map(|job| job()));
    result.expect("the job was done")
}

/// Callgrind counts while this function is on the stack, found by its name in `tests/xtask/src/instructions.rs`. So it
/// must stay a function, and must not end in a tail call.
#[inline(never)]
fn counted_by_callgrind(job: &mut dyn FnMut()) {
    job();
    black_box(());
}
