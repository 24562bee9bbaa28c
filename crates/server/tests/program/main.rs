//! The built program as its users run it: started, killed, started again.

mod crash;
mod process;
mod start;
