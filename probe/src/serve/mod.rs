//! `probe serve`: an exporter for Prometheus, in the way of its blackbox exporter. Each scrape of a target is a login,
//! or tells the last one again. It keeps nothing on disk.

mod config;
mod exporter;
mod http;
mod metrics;
mod target;

use std::io::{self, Write};
use std::sync::Arc;

use jiff::{Timestamp, Unit};
use tokio::net::TcpListener;

use crate::cli::Serve;
use exporter::Exporter;

/// Serves until `stop` resolves.
///
/// # Errors
/// Why it cannot begin: one sentence.
pub(crate) async fn run(args: &Serve, stop: impl Future<Output = ()>) -> Result<(), String> {
    let concurrency = usize::try_from(args.concurrency).unwrap_or(usize::MAX);
    let exporter = Exporter::new(args.config.clone(), args.timeout_offset, concurrency)?;
    let listener = TcpListener::bind(args.listen).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {}: {error} (--listen)", args.listen))?;
    let address = listener.local_addr().map_err(|error| format!("the socket has no address: {error}"))?;
    log(&format!("listening on http://{address}, {}", exporter.summary()));
    http::serve(listener, Arc::new(exporter), stop).await;
    log("ended, as it was told to");
    Ok(())
}

/// One line for whoever runs it, with the time.
fn log(text: &str) {
    let now = Timestamp::now().round(Unit::Second).unwrap_or_default();
    // Nothing is lost if nobody reads it.
    let _ = writeln!(io::stderr(), "{now} {text}");
}
