//! The stand-in for Redis: what an argocd-server keeps there is strings that expire, and
//! news of revoked tokens.
//!
//! It speaks RESP2 and RESP3 and knows strings, expiry, publish/subscribe and
//! transactions. What it does not have: other types, scripts, persistence, replication,
//! clusters, eviction, ACLs beyond one password, TLS. A command that it does not know is
//! answered as an unknown one.

mod admin;
mod commands;
mod data;
mod glob;
mod news;
mod session;
mod wire;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use data::Data;
use local_cluster::logs::LogWriter;
use local_cluster::program::{Exit, Launch, Program};
use news::News;
use session::Session;

/// The image name under which it is known, without tag.
pub const IMAGE: &str = "oidc-lab/stand-in-redis";
/// Its `containerPort`.
pub const PORT: u16 = 6379;

/// Connections at once; more are told so and closed.
const CONNECTIONS: usize = 256;

/// The program. Its image's tag is the Redis release that it says it stands in for. Of
/// the real one's options it takes those that a chart gives: `--requirepass`, and, for
/// what it would not do anyway, `--save ""` and `--appendonly no`.
pub fn program() -> impl Program {
    run
}

/// What all connections share.
struct Server {
    version: String,
    password: Option<String>,
    data: Data,
    news: News,
    next_id: AtomicU64,
    /// Commands are done one after the other, as Redis does them.
    turn: Mutex<()>,
    log: LogWriter,
}

async fn run(mut launch: Launch) -> Exit {
    let log = launch.log.clone();
    let version = format!("{}+stand-in", super::tag(&launch.image).trim_start_matches('v'));
    log.line(format!("* This is a stand-in for Redis {version}, not Redis itself"));
    let fail = |message: String| {
        log.line(format!("# {message}"));
        Exit::failure(message)
    };
    let password = match password(&launch.args) {
        Ok(password) => password,
        Err(message) => return fail(message),
    };
    let listener = launch.ports.remove(&PORT).and_then(|listener| {
        listener.set_nonblocking(true).ok()?;
        TcpListener::from_std(listener).ok()
    });
    let Some(listener) = listener else {
        return fail(format!("Failed listening on port {PORT} (tcp), aborting."));
    };
    log.line("* Ready to accept connections tcp");
    let server = Server {
        version,
        password,
        data: Data::default(),
        news: News::default(),
        next_id: AtomicU64::new(1),
        turn: Mutex::new(()),
        log: log.clone(),
    };
    serve(listener, Arc::new(server), launch.stop).await;
    log.line("# Redis stand-in is now ready to exit, bye bye...");
    Exit::success()
}

/// The password in the options, if there is one.
fn password(args: &[String]) -> Result<Option<String>, String> {
    let mut password = None;
    let mut args = args.iter().map(String::as_str).skip_while(|arg| !arg.starts_with("--"));
    while let Some(option) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match (option, value()) {
            ("--requirepass", text) => password = Some(text.to_owned()).filter(|text| !text.is_empty()),
            ("--save", "") | ("--appendonly", "no") => {}
            (option, value) => {
                return Err(format!(
                    "Fatal config error: '{} {value}': this stand-in does not do that",
                    &option[2..]
                ));
            }
        }
    }
    Ok(password)
}

async fn serve(listener: TcpListener, server: Arc<Server>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    // Connections end with this future, however it ends.
    let closing = CancellationToken::new();
    let _closed = closing.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: accepting again at once would spin.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (session, closing) = (Session::new(server.clone()), closing.clone());
        tasks.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = session.talk(stream) => {}
                () = closing.cancelled() => {}
            }
        });
    }
    drop(listener);
    closing.cancel();
    tasks.close();
    tasks.wait().await;
}

#[cfg(test)]
mod tests;
