//! The lab on kind, from end to end: real steps and a real cluster API, behind fakes of
//! the outside programs that do and say what the real ones do.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

mod choosing;
#[path = "../support/ended.rs"]
mod ended;
mod folders;
mod killed;
mod load;
#[path = "../support/ports.rs"]
mod ports;
mod printed;
mod road;
mod trouble;
mod world;
