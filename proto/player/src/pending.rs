//! What is wanted, and the request that was sent for it.

use trill_proto::ids::RequestId;

/// Something wanted, with its request if one was sent on this connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending<T> {
    pub(crate) what: T,
    pub(crate) request: Option<RequestId>,
}

impl<T> Pending<T> {
    pub(crate) const fn new(what: T) -> Self {
        Self { what, request: None }
    }

    pub(crate) fn is_answered_by(&self, request: RequestId) -> bool {
        self.request == Some(request)
    }
}
