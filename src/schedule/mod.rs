//! Schedules: what a business's clock asks for by itself.
//!
//! A schedule's cron expression speaks of the wall clock in the business's time zone. Which readings match is computed
//! here, purely ([`cron`]); which instants they are is for Postgres to say, the only time zone database (ADR 4). A tick is
//! the first instant at which the wall clock shows a matching reading or a later one: a reading that a change of the
//! offset skips fires once, at the end of the gap, and one that it repeats fires once, the first time.
//!
//! A tick becomes a job under a key made of the schedule's name and the tick's instant, in the transaction that moves the
//! schedule on, so it takes effect once, however many workers look.

pub mod cron;
mod edit;
mod fire;

pub use edit::{Listed, NewSchedule, PutError, Upcoming, list, put, remove};
pub use fire::{Fired, fire_due, fire_due_of};
