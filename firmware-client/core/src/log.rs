//! Logging through `defmt`, if the feature is on.

/// Logs progress.
macro_rules! info {
    ($($argument:tt)*) => {{
        #[cfg(feature = "defmt")]
        defmt::info!($($argument)*);
    }};
}

/// Logs a fault.
macro_rules! warning {
    ($($argument:tt)*) => {{
        #[cfg(feature = "defmt")]
        defmt::warn!($($argument)*);
    }};
}

pub(crate) use {info, warning};
