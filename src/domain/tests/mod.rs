//! Tests of the rules: tables per rule and reason, and properties against independently written oracles.

mod fixture;
mod outcomes;
mod overdue;
mod payloads;
mod payments;
mod programs;
mod properties;
mod purchases;
mod reasons;
mod refunds;
mod stock;
mod worlds;
