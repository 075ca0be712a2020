//! The lab's process: everything together, from an empty folder to SIGTERM.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::future::join_all;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::home::{Home, build_id};
use crate::ingress::Ingress;
use crate::real_dex::WithDex;
use base::files::write_private;
use base::{Error, Result};
use local_cluster::api::{self, Api, Audit};
use local_cluster::logs::Logs;
use local_cluster::program::{ClusterAccess, Images};
use local_cluster::routes::{Lag, Routes};
use local_cluster::serve::{Limits, serve as serve_http};
use local_cluster::store::Store;
use local_cluster::tasks::Tasks;
use local_cluster::workloads::{Machine, Supervisor};
use local_cluster::{tls, workloads};

/// The context in the lab's kubeconfig.
pub const CONTEXT: &str = "oidc-lab";

/// The second context, and its user, who may do what Roles grant and nothing else.
pub const READER: &str = "oidc-lab-reader";

/// How a lab's last words begin that ended by itself.
pub const ENDED: &str = "the lab ended";

/// The argument by which this program knows that it is to call [`workloads::supervise`].
pub const SUPERVISE: &str = "supervise-process";

/// How long programs have to end in a lab that has failed.
const LAST_WORDS: Duration = Duration::from_secs(6);

/// How a lab is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the ingress listens; port 0 is a free one.
    pub ingress: SocketAddr,
    /// Whether there is a listener beside it that ends TLS.
    pub tls: bool,
    /// How late routes are.
    pub lag: Option<Lag>,
}

/// Runs a lab, calls `ready` when it can be used, and returns when SIGTERM or SIGINT has
/// stopped it, or one of `tasks`, to which it adds its own, has panicked.
///
/// # Errors
/// Before `ready`: the folder is somebody's own, another lab's or cannot be written, a port is
/// taken, the system refuses a basic service. After it, what has panicked.
pub async fn serve(home: Home, options: Options, tasks: Tasks, ready: impl FnOnce()) -> Result<()> {
    let folder = |error| Error::environment(format!("{}: {error}", home.folder().path().display()));
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    home.create()?;
    let alive = home.live()?;

    let supervisor = Supervisor::this_program(SUPERVISE).map_err(system)?;
    let identity = tls::identity().map_err(no_certificate)?;
    let (token, readers) = (token()?, token()?);
    let others = [(READER, readers.as_str())];
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (api_listener, api_address) = listen(any).await?;
    let (ingress_listener, ingress_address) = listen(options.ingress).await?;
    let tls = if options.tls { Some(listen(any).await?) } else { None };
    let tls_address = tls.as_ref().map(|(_, address)| *address);
    let cluster = ClusterAccess { server: format!("https://{api_address}"), ca_pem: identity.ca_pem, token };

    let stop = CancellationToken::new();
    let store = Store::new();
    api::bootstrap(&store);
    let logs = Logs::new(home.logs());
    let audit = Audit::to_file(&home.audit()).map_err(folder)?;
    let api = Api::new(store.clone(), logs.clone(), &cluster.token, &others, audit, &tasks);
    let programs = workloads::host_process(supervisor, home.processes());
    let programs = WithDex { programs, folder: home.processes().join("bin") };
    let images = Images::default()
        .with(stand_ins::dex::IMAGE, stand_ins::dex::program())
        .with(stand_ins::argocd::IMAGE, stand_ins::argocd::program())
        .with(stand_ins::argocd::rundex::IMAGE, stand_ins::argocd::rundex::program())
        .with(stand_ins::redis::IMAGE, stand_ins::redis::program())
        .with(workloads::HOST_PROCESS_IMAGE, programs);
    let limits = Limits::default();
    let servers = CancellationToken::new();
    let routes = match options.lag {
        None => Routes::new(&store),
        Some(lag) => Routes::late(&store, lag, &tasks),
    };
    let mut handler = Ingress::new(store.clone(), routes.clone(), &tasks).on_port(ingress_address.port());
    let serving_api = serve_http(api_listener, Some(identity.acceptor), api, limits, servers.clone());
    let mut serving = vec![tasks.spawn("the cluster API", serving_api)];
    // What is too large for it, the ingress says itself.
    let heads = Limits { header_bytes: 1024 * 1024, ..limits };
    if let Some((listener, address)) = tls {
        let (own, acceptor) = handler.over_tls(address.port()).map_err(no_certificate)?;
        handler = handler.with_tunnels(address);
        let over_tls = serve_http(listener, Some(acceptor), own, heads, servers.clone());
        serving.push(tasks.spawn("the ingress's TLS", over_tls));
    }
    let serving_ingress = serve_http(ingress_listener, None, handler, heads, servers.clone());
    serving.push(tasks.spawn("the ingress", serving_ingress));
    let machine =
        Machine { images, cluster: cluster.clone(), ingress: ingress_address, routes, tasks: tasks.clone() };
    let workloads = workloads::start(store, logs, machine, stop.clone());

    write_private(&home.kubeconfig(), cluster.kubeconfig(CONTEXT, None, &others).as_bytes())
        .map_err(folder)?;
    let description =
        home.describe(&build_id(), api_address, ingress_address, tls_address).map_err(folder)?;
    ready();

    // Held until the process has ended: whoever waits for the lock waits for that.
    std::mem::forget(alive);
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        said = tasks.failed() => Some(said),
    };
    // It ends all the same if the folder is gone.
    let _ = home.withdraw(description);
    // Programs end first, while the cluster that they talk to is still there.
    stop.cancel();
    if let Some(said) = failed {
        // Whoever would end them may be what failed. What they have started ends with
        // this process.
        let _ = tokio::time::timeout(LAST_WORDS, workloads).await;
        return Err(Error::environment(format!("{ENDED}: {said}")));
    }
    let _ = workloads.await;
    servers.cancel();
    join_all(serving).await;
    Ok(())
}

/// No signals, no random numbers, no address.
fn system(error: impl Display) -> Error {
    Error::environment(format!("the system refuses a basic service: {error}"))
}

fn no_certificate(error: tls::TlsError) -> Error {
    Error::environment(format!("the lab's certificate could not be made: {error}"))
}

/// A listener, and where it is.
async fn listen(address: SocketAddr) -> Result<(Arc<TcpListener>, SocketAddr)> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Error::environment(format!("{address} cannot be listened on: {error}"))
            .hint("another program has the port; leave out --port for a free one")
    })?;
    let own = listener.local_addr().map_err(system)?;
    Ok((Arc::new(listener), own))
}

fn token() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| system("no random numbers"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::State;

    #[tokio::test]
    async fn a_panic_in_the_background_ends_the_lab_with_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("lab"));
        let (tasks, options) = (
            Tasks::default(),
            Options { ingress: SocketAddr::from(([127, 0, 0, 1], 0)), tls: false, lag: None },
        );
        let ready = {
            let tasks = tasks.clone();
            move || drop(tasks.spawn("a task of the test", async { panic!("on purpose") }))
        };
        let serving = serve(home.clone(), options, tasks, ready);
        let ended = tokio::time::timeout(Duration::from_secs(60), serving).await.unwrap();
        assert_eq!(ended.unwrap_err().to_string(), "the lab ended: a task of the test panicked: on purpose");
        assert_eq!(
            home.state().unwrap(),
            State::Unclear(Some(std::process::id())),
            "nobody takes it for one that is up"
        );
    }
}
