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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::changes::{self, Compare};
use super::client_app::{ClientApp, Surroundings};
use super::first_start;
use super::flags::Flags;
use super::listeners::{ClosableListener, SharedListener};
use super::manager::{Manager, Subscription};
use super::server::{Parts, Server};
use super::settings::Settings;
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
/// Argo CD exits with this after any error that it cannot go on with.
const FATAL: i32 = 20;
/// What a shell makes of a process that died of SIGTERM.
const TERMINATED: i32 = 143;

/// What a process has from its start to its end.
pub(super) struct Process {
    pub(super) flags: Flags,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) client: Client,
    pub(super) surroundings: Surroundings,
    /// Set by SIGTERM.
    pub(super) stop: CancellationToken,
    /// What ends it: settings with which no server goes on.
    pub(super) fatal: watch::Sender<Option<String>>,
}

/// Runs until it is told to stop.
pub(super) async fn run(process: &Process, era: Era, listener: TcpListener) -> Exit {
    let run = async {
        match era {
            Era::NoReferences | Era::ComparesText => rebuild(process, listener, Compare::Text).await,
            Era::ReloadsInLoop => rebuild(process, listener, Compare::Resolved).await,
            Era::BothAnswer => add(process, listener).await,
            Era::Reloads | Era::ReloadsAgain => restart(process, listener, ClientApps::AnewForEachRun).await,
            Era::KeepsClientApp => restart(process, listener, ClientApps::OnceForTheProcess).await,
        }
    };
    let mut fatal = process.fatal.subscribe();
    let ended = tokio::select! {
        ended = run => ended,
        // An error cannot be: the process holds the sender.
        said = fatal.wait_for(Option::is_some) => Err(said.ok().and_then(|said| said.clone()).unwrap_or_default()),
    };
    ended.unwrap_or_else(|message| {
        process.surroundings.log.fatal(&message);
        Exit { code: FATAL, message }
    })
}

/// When client apps are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientApps {
    AnewForEachRun,
    OnceForTheProcess,
}

/// Up to v2.4.2: when settings differ, the listener is closed, and everything is
/// made anew: informers, sessions, client app, listener.
///
/// Connections that are open are left to the server that is no more. Its way from
/// HTTP to its own gRPC is closed, so API requests on them fail, and its client app
/// knows the old secret. Until such a connection ends, its client sees a server
/// that hangs.
async fn rebuild(process: &Process, first: TcpListener, compare: Compare) -> Result<Exit, String> {
    let address = local_address(&first)?;
    let mut listener = Some(first);
    // Servers that are no more, for the connections that they still have.
    let mut lingering = vec![];
    loop {
        let server = select_stop(process, process.server()).await?;
        let Some(server) = server else { return Ok(terminated()) };
        let gateway = CancellationToken::new();
        let app = if server.sso_configured() { Some(process.client_app(server.settings())?) } else { None };
        let listening = match listener.take() {
            Some(listener) => listener,
            None => listen(address).await?,
        };
        let listening = Arc::new(ClosableListener::new(listening));
        process.announce(&server);
        lingering.retain(|serving: &AbortOnDropHandle<()>| !serving.is_finished());
        lingering.push(process.serve(&server, app, &gateway, &listening, CancellationToken::new()));
        let stop = Arc::new(StopChannel::default());
        let _watch = process.watch_and_stop(&server, &stop, compare);
        let stopped = async {
            tokio::time::sleep(SYNC_POLL).await;
            // An error cannot be: the channel itself holds the sender.
            let _ = stop.make().await;
        };
        tokio::select! {
            biased;
            () = process.stop.cancelled() => {
                listening.close();
                return Ok(terminated());
            }
            () = stopped => {}
        }
        let log = &server.log;
        listening.close();
        gateway.cancel();
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
async fn add(process: &Process, listener: TcpListener) -> Result<Exit, String> {
    let Some(server) = select_stop(process, process.server()).await? else { return Ok(terminated()) };
    let listener = Arc::new(SharedListener::new(listener));
    let mut serving = vec![];
    let mut synced = false;
    loop {
        let app = if server.sso_configured() { Some(process.client_app(server.settings())?) } else { None };
        process.announce(&server);
        let gateway = CancellationToken::new();
        serving.push(process.serve(&server, app, &gateway, &listener, CancellationToken::new()));
        let stop = Arc::new(StopChannel::default());
        let _watch = process.watch_and_stop(&server, &stop, Compare::Resolved);
        let stopped = async {
            if !synced {
                tokio::time::sleep(SYNC_POLL).await;
            }
            let _ = stop.make().await;
        };
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
            () = stopped => synced = true,
        }
    }
}

/// From v2.14: when settings differ, the server stops accepting, open requests get
/// [`GRACE`] to end, and then the next run begins.
///
/// The watch ends with the difference that it found, and the next one begins with
/// the next run. What changes in between is told to nobody: the new server starts
/// with the settings that ended the old one.
async fn restart(process: &Process, first: TcpListener, apps: ClientApps) -> Result<Exit, String> {
    let Some(server) = select_stop(process, process.server()).await? else { return Ok(terminated()) };
    let once = match apps {
        ClientApps::OnceForTheProcess => Some(process.client_app(server.settings())?),
        ClientApps::AnewForEachRun => None,
    };
    let address = local_address(&first)?;
    let mut listener = Some(first);
    // Requests that did not end in time go on, with the server that took them.
    let mut lingering: Vec<AbortOnDropHandle<()>> = vec![];
    loop {
        let listening = match listener.take() {
            Some(listener) => listener,
            None => listen(address).await?,
        };
        let app = match &once {
            Some(app) => app.clone(),
            None => process.client_app(server.settings())?,
        };
        process.announce(&server);
        let log = &server.log;
        log.info(format!("Enabled application namespace patterns: {}", process.namespace));
        let app = server.sso_configured().then_some(app);
        let stop = CancellationToken::new();
        let gateway = CancellationToken::new();
        let mut serving = process.serve(&server, app, &gateway, &Arc::new(listening), stop.clone());
        let (changed, restart) = oneshot::channel();
        let watch = {
            let (server, mut updates) = (server.clone(), server.manager.subscribe());
            let fatal = process.fatal.clone();
            async move {
                wait_or_end(&server, &mut updates, Compare::Resolved, &fatal).await;
                drop(updates);
                // The receiver is gone only if the process is.
                let _ = changed.send(());
            }
        };
        let _watch = AbortOnDropHandle::new(tokio::spawn(watch));
        server.set_available(true);
        let (signal, ends) = tokio::select! {
            biased;
            () = process.stop.cancelled() => ("terminated", true),
            _ = restart => ("GracefulRestartSignal", false),
        };
        log.info(format!("API Server received signal: {signal}"));
        if ends {
            server.set_ending();
        }
        log.info("API Server shutdown initiated. Shutting down servers...");
        server.set_available(false);
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
    }
}

/// The end of a process that does not handle SIGTERM.
fn terminated() -> Exit {
    Exit { code: TERMINATED, message: String::new() }
}

/// A result, or `None` if the process is told to stop first.
async fn select_stop<T>(
    process: &Process,
    starting: impl Future<Output = Result<T, String>>,
) -> Result<Option<T>, String> {
    tokio::select! {
        biased;
        () = process.stop.cancelled() => Ok(None),
        started = starting => started.map(Some),
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

/// Waits until settings differ; for ever, if they are such that the process ends.
async fn wait_or_end(
    server: &Server,
    updates: &mut Subscription,
    compare: Compare,
    fatal: &watch::Sender<Option<String>>,
) {
    if let Err(message) = changes::wait(server, updates, compare).await {
        fatal.send_replace(Some(message));
        std::future::pending::<()>().await;
    }
}

/// How releases up to v2.13 are told to stop: by a channel that is made only when
/// everything runs. A server that is told before has not heard it, and since its
/// settings watch has ended with that, it never hears of settings again.
#[derive(Default)]
struct StopChannel(Mutex<Option<oneshot::Sender<()>>>);

impl StopChannel {
    /// Makes it. The receiver ends when somebody says so.
    fn make(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Says so, if there is anybody to hear it.
    fn close(&self) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(());
        }
    }
}

impl Process {
    /// A server with everything that it needs, from the objects as they are now.
    async fn server(&self) -> Result<Arc<Server>, String> {
        let Surroundings { details, log, proxies, .. } = &self.surroundings;
        let manager = Manager::start(self.client.clone(), &self.namespace, *details, log.clone()).await;
        let settings = Arc::new(first_start::initialize(&manager).await?);
        Server::new(Parts {
            flags: self.flags.clone(),
            version: self.version.clone(),
            manager,
            settings,
            proxies,
        })
    }

    fn client_app(&self, settings: Arc<Settings>) -> Result<Arc<ClientApp>, String> {
        ClientApp::new(settings, self.surroundings.clone()).map(Arc::new)
    }

    fn announce(&self, server: &Server) {
        self.surroundings.log.info(format!(
            "argocd {} serving on port {} (url: {}, tls: {}, namespace: {}, sso: {})",
            self.version,
            self.flags.port,
            server.settings().url,
            !self.flags.insecure,
            self.namespace,
            server.sso_configured()
        ));
    }

    /// Serves on a listener until `stop`, then as long as requests are open.
    fn serve(
        &self,
        server: &Arc<Server>,
        app: Option<Arc<ClientApp>>,
        gateway: &CancellationToken,
        listener: &Arc<impl Accept>,
        stop: CancellationToken,
    ) -> AbortOnDropHandle<()> {
        server.set_client_app(app.clone());
        // How long is for whoever waits to say; how large a head may be is Go's own limit.
        let limits = Limits { grace: Duration::MAX, header_bytes: 1024 * 1024, ..Limits::default() };
        let site = Site { server: server.clone(), app, gateway: gateway.clone(), limits };
        AbortOnDropHandle::new(tokio::spawn(serve(listener.clone(), None, site, limits, stop)))
    }

    /// Stops a server of a release up to v2.13 when its settings differ.
    fn watch_and_stop(
        &self,
        server: &Arc<Server>,
        stop: &Arc<StopChannel>,
        compare: Compare,
    ) -> AbortOnDropHandle<()> {
        let (server, stop, mut updates) = (server.clone(), stop.clone(), server.manager.subscribe());
        let fatal = self.fatal.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            wait_or_end(&server, &mut updates, compare, &fatal).await;
            server.log.info("Shut down requested");
            stop.close();
            drop(updates);
        }))
    }
}
