//! The server of *flags*: the one place where definitions change, and where SDKs get them from.
//!
//! ```text
//! HTTP ─▶ service ─▶ writer thread: one transaction ─▶ live rulesets ─▶ streams
//!           │          change log + state + audit            │
//!           └─ reads: views of the store                     └─ remote evaluation
//! ```
//!
//! What it speaks is written down in `docs/protocol.md`. The binary `flags-server` is a thin
//! command line around [`run`]; a test or another program that brings its own listener uses
//! [`serve`]:
//!
//! ```no_run
//! # async fn example() -> Result<(), flags_server::Error> {
//! use flags_server::{Bootstrap, Database, Quotas, serve};
//!
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let (database, first) = Database::open("flags.db".as_ref(), &Bootstrap::default())?;
//! let stop = std::future::pending();
//! serve(listener, database, Quotas::default(), std::time::Duration::from_secs(10), stop).await
//! # }
//! ```

#![forbid(unsafe_code)]

mod access;
mod backups;
mod command;
mod config;
mod connection;
mod database;
mod error;
mod http;
mod limits;
mod live;
mod metrics;
mod quota;
mod schema;
mod server;
mod service;
mod settings;
mod store;
mod telemetry;

pub use command::{Arguments, execute};
pub use config::{Bootstrap, Config, LogFormat, LogLevel};
pub use database::{Database, FirstTokens};
pub use error::Error;
pub use quota::Quotas;
pub use server::{run, serve};
pub use settings::Settings;
