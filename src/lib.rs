//! Commissary: a queue-driven worker fleet on Postgres that decides and records purchases made on credit.

pub mod audit;
pub mod bench;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod db;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod ids;
pub mod import;
pub mod money;
pub mod queue;
pub mod report;
pub mod schedule;
pub mod telemetry;
pub mod worker;
