//! Commissary: a queue-driven worker fleet on Postgres that decides and records purchases made on credit.

pub mod cli;
pub mod cluster;
pub mod config;
pub mod db;
pub mod demo;
pub mod domain;
pub mod ids;
pub mod money;
pub mod telemetry;
