//! The rules of DOMAIN, pure: same input, same output. No I/O, no clock, no randomness, no async.
//!
//! `request::parse` turns a payload into a request or says what is malformed; `decide::decide` turns a request and a
//! snapshot into effects or a refusal; `decide::apply` carries the effects into the snapshot for the batch's next job.
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]

mod basket;
mod credit;
pub mod decide;
pub mod effects;
pub mod outcome;
mod payload;
mod refusal;
pub mod request;
mod returns;
pub mod snapshot;
mod subsidy;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test, as it should")]
mod tests;
