//! Logging through `defmt`, where the feature switches it on; nothing otherwise.

/// Logs what is worth knowing.
macro_rules! info {
    ($($argument:tt)*) => {{
        #[cfg(feature = "defmt")]
        defmt::info!($($argument)*);
    }};
}

/// Logs what should not have happened.
macro_rules! warning {
    ($($argument:tt)*) => {{
        #[cfg(feature = "defmt")]
        defmt::warn!($($argument)*);
    }};
}

pub(crate) use {info, warning};
