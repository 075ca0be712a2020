//! The local lab, from end to end: both stories with each provider, over http and https, what a person
//! does with kubectl and with folders, and surroundings and programs that are bad.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod bundled;
mod by_hand;
mod folders;
mod matrix;
mod programs;
mod stories;
mod surroundings;
mod tls;
