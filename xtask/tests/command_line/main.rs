//! The command line: words, documents, reports, tools, and what the repository says of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../../toolbox/src/download/testing.rs"]
mod testing;

mod docs;
mod outcomes;
mod report;
mod tools;
mod usage;
mod workflows;
