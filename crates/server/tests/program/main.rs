//! The built program as its users run it: started, killed, started again.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic here is a failed test"
)]

mod bombs;
mod carry;
mod crash;
mod files;
mod mail;
mod migrate;
mod moving;
mod process;
mod proxy;
mod resume;
mod start;
mod stop;
mod throttle;
