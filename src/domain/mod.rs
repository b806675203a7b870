//! The rules of DOMAIN, pure: same input, same output. No I/O, no clock, no randomness, no async.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

pub mod effects;
pub mod snapshot;
