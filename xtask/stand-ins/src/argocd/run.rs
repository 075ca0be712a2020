//! How argocd-server runs, and what each era of releases does when settings change.
//!
//! There are three ways, and everything that is known about releases and changed
//! secrets follows from them:
//!
//! - [`rebuild`] (up to v2.4.2): the listener is closed and everything is made anew.
//! - [`add`] (v2.4.3 – v2.13): another server starts on the listener that is there.
//! - [`restart`] (from v2.14): the server is shut down, then a new one is made; in
//!   v3.3.0 – v3.3.6 with the client app of the old one.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::mutex::lock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::changes::{self, Compare};
use super::client_app::ClientApp;
use super::first_start;
use super::listeners::{ClosableListener, SharedListener};
use super::manager::Manager;
use super::process::{FATAL, Process, terminated};
use super::server::Server;
use super::site::Site;
use local_cluster::program::Exit;
use local_cluster::serve::{Accept, Limits, serve};
use releases::Era;

/// How long requests that are open may go on when a server shuts down.
const GRACE: Duration = Duration::from_secs(20);
/// How often the informers of projects and applications are looked at, which have to
/// be filled before a server can be told to stop. The first look is too early.
const SYNC_POLL: Duration = Duration::from_millis(100);
/// Tries to listen on the port, and the time between them.
const LISTEN_TRIES: u32 = 5;
const LISTEN_PAUSE: Duration = Duration::from_millis(500);

/// Runs until it is told to stop.
pub(super) async fn run(process: &Arc<Process>, era: Era, listener: TcpListener) -> Exit {
    let ended = match era {
        Era::NoReferences | Era::ComparesText => rebuild(process, listener, Compare::Text).await,
        Era::ReloadsInLoop => rebuild(process, listener, Compare::Resolved).await,
        Era::BothAnswer => add(process, listener).await,
        Era::Reloads | Era::ReloadsAgain | Era::KeepsClientApp => restart(process, listener, era).await,
    };
    ended.unwrap_or_else(|message| {
        process.log.fatal(&message);
        Exit { code: FATAL, message }
    })
}

/// Up to v2.4.2: when settings differ, the listener is closed, and everything is
/// made anew: informers, sessions, client app, listener.
///
/// Connections that are open are left to the server that is no more. Its way from
/// HTTP to its own gRPC is closed, so API requests on them fail, and its client app
/// knows the old secret. Until such a connection ends, its client sees a server
/// that hangs.
async fn rebuild(process: &Arc<Process>, first: TcpListener, compare: Compare) -> Result<Exit, String> {
    let address = local_address(&first)?;
    let mut listener = Some(first);
    // Servers that are no more, for the connections that they still have.
    let mut lingering = vec![];
    loop {
        let Some(server) = process.server().await? else { return Ok(terminated()) };
        let app = process.configured_app(&server)?;
        let listening = match listener.take() {
            Some(listener) => listener,
            None => listen(address).await?,
        };
        let listening = Arc::new(ClosableListener::new(listening));
        lingering.retain(|serving: &AbortOnDropHandle<()>| !serving.is_finished());
        lingering.push(process.serve(&server, app, &listening, CancellationToken::new()));
        tokio::select! {
            biased;
            () = process.stop.cancelled() => {
                listening.close();
                return Ok(terminated());
            }
            told = told_to_stop(&server, compare, true) => told?,
        }
        let log = &server.log;
        listening.close();
        server.gateway.cancel();
        server.manager.stop();
        log.info(format!(
            "graceful shutdown tcpm: accept tcp [::]:{}: use of closed network connection",
            process.flags.port
        ));
        log.info("graceful shutdown grpcS: mux: server closed");
        log.info("graceful shutdown httpS: mux: server closed");
    }
}

/// v2.4.3 – v2.13: when settings differ, another server is started, with a client
/// app of its own, on the listener of the one before. That one is told nothing: it
/// goes on accepting, and each connection is answered by whoever takes it first.
async fn add(process: &Arc<Process>, listener: TcpListener) -> Result<Exit, String> {
    let Some(server) = process.server().await? else { return Ok(terminated()) };
    let listener = Arc::new(SharedListener::new(listener));
    let mut serving = vec![];
    loop {
        let app = process.configured_app(&server)?;
        serving.push(process.serve(&server, app, &listener, CancellationToken::new()));
        tokio::select! {
            biased;
            () = process.stop.cancelled() => {
                for server in serving {
                    server.abort();
                    // It ends with that; what it says then says nothing.
                    let _ = server.await;
                }
                return Ok(terminated());
            }
            told = told_to_stop(&server, Compare::Resolved, serving.len() == 1) => told?,
        }
    }
}

/// From v2.14: when settings differ, the server stops accepting, open requests get
/// [`GRACE`] to end, and then the next run begins.
///
/// The watch ends with the difference that it found, and the next one begins with
/// the next run. What changes in between is told to nobody: the new server starts
/// with the settings that ended the old one.
async fn restart(process: &Arc<Process>, first: TcpListener, era: Era) -> Result<Exit, String> {
    let Some(server) = process.server().await? else { return Ok(terminated()) };
    let once = match era {
        Era::KeepsClientApp => Some(process.client_app(&server)?),
        _ => None,
    };
    let address = local_address(&first)?;
    let mut listening = first;
    // Requests that did not end in time go on, with the server that took them.
    let mut lingering: Vec<AbortOnDropHandle<()>> = vec![];
    loop {
        let app = match &once {
            Some(app) => app.clone(),
            None => process.client_app(&server)?,
        };
        let app = server.sso_configured().then_some(app);
        let log = &server.log;
        let stop = CancellationToken::new();
        let mut serving = process.serve(&server, app, &Arc::new(listening), stop.clone());
        log.info(format!("Enabled application namespace patterns: {}", process.namespace));
        let mut changed = pin!(changes::wait(&server, server.manager.subscribe(), Compare::Resolved));
        server.available.store(true, Ordering::Release);
        let (signal, ends) = tokio::select! {
            biased;
            () = process.stop.cancelled() => ("terminated", true),
            changed = &mut changed => {
                changed?;
                ("GracefulRestartSignal", false)
            }
        };
        log.info(format!("API Server received signal: {signal}"));
        if ends {
            server.ending.store(true, Ordering::Release);
        }
        log.info("API Server shutdown initiated. Shutting down servers...");
        server.available.store(false, Ordering::Release);
        stop.cancel();
        log.error(format!(
            "Error received from server tcpm: accept tcp [::]:{}: use of closed network connection",
            process.flags.port
        ));
        log.error("Error received from server grpcS: mux: server closed");
        for name in ["metrics", "httpS"] {
            log.info(format!("Graceful shutdown of {name} initiated"));
        }
        if tokio::time::timeout(GRACE, &mut serving).await.is_ok() {
            log.info("All servers were gracefully shutdown. Exiting...");
        } else {
            log.warn("Graceful shutdown timeout. Exiting...");
            log.error("Error shutting down http server: context deadline exceeded");
            lingering.retain(|serving| !serving.is_finished());
            lingering.push(serving);
        }
        if ends {
            return Ok(Exit::success());
        }
        listening = listen(address).await?;
    }
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| format!("the socket has no address: {error}"))
}

/// Listens once more where the first server did.
async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let mut tries = 1;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(_) if tries < LISTEN_TRIES => tokio::time::sleep(LISTEN_PAUSE).await,
            Err(error) => return Err(format!("listen tcp {address}: {error}")),
        }
        tries += 1;
    }
}

/// Waits until settings differ and the server is told to stop for it.
///
/// Releases up to v2.13 are told by a channel that is made only when everything runs, which a
/// server whose informers are new looks for after [`SYNC_POLL`]. One that is told before has not heard
/// it, and since its settings watch has ended with that, it never hears of settings again.
///
/// # Errors
/// The settings are such that argocd-server ends: the line that it prints before.
async fn told_to_stop(server: &Arc<Server>, compare: Compare, new: bool) -> Result<(), String> {
    let updates = server.manager.subscribe();
    let mut changed = pin!(async {
        let _updates = changes::wait(server, updates, compare).await?;
        server.log.info("Shut down requested");
        Ok::<_, String>(())
    });
    if new && let Ok(early) = tokio::time::timeout(SYNC_POLL, &mut changed).await {
        early?;
        std::future::pending::<()>().await;
    }
    changed.await
}

impl Process {
    /// A server with everything that it needs, from the objects as they are now; `None` if the process is told to
    /// stop first.
    async fn server(&self) -> Result<Option<Arc<Server>>, String> {
        let Self { client, namespace, details, log, .. } = self;
        let start = async {
            let manager = Manager::start(client.clone(), namespace, *details, log.clone()).await;
            let settings = first_start::initialize(&manager).await?;
            Server::new(self, manager, settings).map(Some)
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(None),
            started = start => started,
        }
    }

    fn client_app(self: &Arc<Self>, server: &Server) -> Result<Arc<ClientApp>, String> {
        ClientApp::new(self.clone(), server.settings()).map(Arc::new)
    }

    /// The client app of a server whose settings configure a login.
    fn configured_app(self: &Arc<Self>, server: &Server) -> Result<Option<Arc<ClientApp>>, String> {
        if server.sso_configured() { self.client_app(server).map(Some) } else { Ok(None) }
    }

    /// Serves on a listener until `stop`, then as long as requests are open, and says so.
    fn serve(
        &self,
        server: &Arc<Server>,
        app: Option<Arc<ClientApp>>,
        listener: &Arc<impl Accept>,
        stop: CancellationToken,
    ) -> AbortOnDropHandle<()> {
        self.log.info(format!(
            "argocd {} serving on port {} (url: {}, tls: {}, namespace: {}, sso: {})",
            self.version,
            self.flags.port,
            server.settings().url,
            !self.flags.insecure,
            self.namespace,
            server.sso_configured()
        ));
        lock(&server.client_app).clone_from(&app);
        // How long is for whoever waits to say; how large a head may be is Go's own limit.
        let limits = Limits { grace: Duration::MAX, header_bytes: 1024 * 1024, ..Limits::default() };
        let site = Site { server: server.clone(), app, limits };
        AbortOnDropHandle::new(tokio::spawn(serve(listener.clone(), None, site, limits, stop)))
    }
}
