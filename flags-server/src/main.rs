//! The binary: what the command line says is done by the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use flags_server::{Arguments, execute};

fn main() -> ExitCode {
    execute(Arguments::parse())
}
