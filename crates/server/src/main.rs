//! The `vestibule` program: configuration, command line, wiring, workers, shutdown. What the product does lives in the engine.

mod cli;
mod connections;
mod mail;
mod options;
mod serve;
mod system;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Vestibule: sign-in, users and tokens for applications, in instances that can be moved.
#[derive(Parser)]
#[command(name = "vestibule", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service.
    Serve(options::ServeArguments),
    #[command(flatten)]
    Client(cli::ClientCommand),
}

/// Exit codes: 0 done, 1 failed, 2 usage (clap's own).
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Serve(serve) => serve::run(serve),
        Command::Client(command) => cli::run(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vestibule: {error:#}");
            ExitCode::FAILURE
        }
    }
}
