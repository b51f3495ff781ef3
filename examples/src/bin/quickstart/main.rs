//! The main job in one command: a server, a service that links the client, and a product manager
//! who changes what the service does while it runs, and somebody who sells, whose contracts decide what
//! customers may do.
//!
//! The same executable is all of them: without arguments it tells the story; it starts itself with
//! `server` as the real flags-server, and with `service` as the service.

#![forbid(unsafe_code)]

mod customer;
mod manager;
mod process;
mod sample;
mod service;
mod stage;
mod story;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Runs the whole path of a feature flag and prints what happens.
#[derive(Parser)]
struct Arguments {
    /// Leave server and service running at the end, and print commands to try.
    #[arg(long)]
    keep: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Be the server (what the story starts as a child).
    #[command(hide = true)]
    Server(flags_server::Settings),
    /// Be the service (what the story starts as a child).
    #[command(hide = true)]
    Service(service::Arguments),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // The server makes a runtime of its own.
    if let Some(Role::Server(settings)) = arguments.role {
        return Ok(flags_server::run(settings.config()?)?);
    }
    tokio::runtime::Runtime::new()?.block_on(async {
        match arguments.role {
            Some(Role::Service(arguments)) => service::run(arguments).await,
            _ => story::tell(arguments.keep).await,
        }
    })
}
