//! What Trill is measured beside, as it comes from Debian: started for the purpose, on a port of its own, and ended with
//! its guard.

pub mod nginx;
