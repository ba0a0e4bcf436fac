//! What is counted, and what is not.

use std::hint::black_box;

/// Does `job` and has it counted. What is counted adds up over all calls.
pub(crate) fn counted<T>(job: impl FnOnce() -> T) -> T {
    let (mut job, mut result) = (Some(job), None);
    counted_by_callgrind(&mut || result = job.take().map(|job| job()));
    result.expect("the job was done")
}

/// Callgrind counts while this is on the stack: `tests/xtask/src/instructions.rs` knows it by its name. So it must stay a
/// function, and not end in a jump.
#[inline(never)]
fn counted_by_callgrind(job: &mut dyn FnMut()) {
    job();
    black_box(());
}
