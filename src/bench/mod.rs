//! The benchmark: the standard workload on a database of its own, through the same doors as real work.
//!
//! The standard workload is 12 businesses, each with 200 customers of one organization and office, 100 products and 3
//! eligible capped-percentage programs; a purchase has 3 lines. Nothing is left out for speed: every constraint,
//! trigger, policy, fsync and synchronous_commit are on, and the report says so.

mod measure;
mod workload;

pub use measure::{Report, run};
pub use workload::Workload;
