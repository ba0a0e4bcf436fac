//! The numbers that name things on the wire.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $name(pub u32);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A song on one server: a small decimal number, 1 for the first. Never reused while the server runs.
    SongId
}
id! {
    /// One PLAY and all that answers it. Chosen by the client; only grows within a connection; never 0.
    StreamId
}
id! {
    /// One LIST or INFO and its answer. Chosen by the client; never 0.
    RequestId
}
