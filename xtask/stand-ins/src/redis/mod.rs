//! The stand-in for Redis: what an argocd-server keeps there is strings that expire, and
//! news of revoked tokens.
//!
//! It knows the commands that argocd-server's clients (go-redis 8 and 9) send, in RESP2
//! and RESP3, and of these commands the options that they send. Any other is answered as
//! Redis answers one that it does not know. What it does not have beyond that:
//! persistence, eviction, databases, users, TLS.

mod commands;
mod resp;
mod session;
mod state;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use local_cluster::program::{Exit, Launch, Program};
use state::Server;

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
    let Ok(listener) = launch.listener(PORT) else {
        return fail(format!("Failed listening on port {PORT} (tcp), aborting."));
    };
    log.line("* Ready to accept connections tcp");
    serve(listener, Arc::new(Server::new(version, password)), launch.stop).await;
    log.line("# Redis stand-in is now ready to exit, bye bye...");
    Exit::success()
}

/// The password in the options, if there is one.
fn password(args: &[String]) -> Result<Option<String>, String> {
    let mut password = None;
    let mut args = args.iter().map(String::as_str).skip_while(|arg| !arg.starts_with("--"));
    while let Some(option) = args.next() {
        match (option, args.next().unwrap_or_default()) {
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
    for id in 1.. {
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
        let (server, closing) = (server.clone(), closing.clone());
        tasks.spawn(async move {
            let _slot = slot;
            tokio::select! {
                _ = session::talk(&server, id, stream) => {}
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
