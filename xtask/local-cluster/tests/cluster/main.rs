//! The cluster API over TLS on loopback, asked as clients ask it.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod client_go;
mod clients;
mod garbage;
mod kube_rs;
mod kubectl;
mod lifecycle;
mod pods;
mod requests;
mod support;
mod watch;
