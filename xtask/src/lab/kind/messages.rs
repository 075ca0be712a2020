//! What outside programs say when something goes wrong, as one sentence with what to
//! do about it. The wordings were seen on kind v0.33, Helm 3.22 and 4.3, and docker.

use base::Error;
use base::process::Said;

/// What was being done.
#[derive(Clone, Copy, Debug)]
pub struct Doing<'a> {
    /// In words that end a sentence: `create the cluster oidc-lab`.
    pub what: &'a str,
    /// kind's name for the cluster.
    pub cluster: &'a str,
    /// The port of the ingress, and whether somebody wished for that one.
    pub port: (u16, bool),
}

/// One kind of trouble.
struct Known {
    /// Any of these in what was said, all lower case …
    any: &'static [&'static str],
    /// … makes it this.
    trouble: Trouble,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The engine's daemon does not run.
    EngineDead,
    /// The engine's socket is for others.
    EngineDenied,
    /// There is no engine.
    EngineAbsent,
    /// A cluster of this name is there.
    NameTaken,
    /// The port of the ingress is in use.
    PortTaken,
    /// A registry serves no more without a login.
    RateLimited,
    /// There is no such image, or it may not be pulled.
    NoImage,
    /// There is no such chart.
    NoChart,
    /// The network.
    Network,
    /// The disk is full.
    DiskFull,
    /// Too many files are watched already.
    TooManyWatches,
    /// The node's Kubernetes did not start.
    NodeDead,
    /// A digest that the archive names and does not hold.
    Digest,
    /// An earlier operation of Helm was killed.
    Pending,
    /// Helm does not know the release.
    NoRelease,
    /// The cluster does not answer.
    ClusterGone,
    /// A webhook that is asked does not answer.
    Webhook,
    /// Something was not ready in time.
    TimedOut,
    /// Values that a chart does not take.
    Values,
    /// Somebody else's objects are in the way.
    NotOurs,
}

/// In the order in which they are looked for: the first that fits is it.
const KNOWN: &[Known] = &[
    known(&["executable file not found in $path"], Trouble::EngineAbsent),
    known(&["permission denied while trying to connect"], Trouble::EngineDenied),
    known(
        &["cannot connect to the docker daemon", "is the docker daemon running", "cannot connect to podman"],
        Trouble::EngineDead,
    ),
    known(&["node(s) already exist for a cluster with the name"], Trouble::NameTaken),
    known(
        &["port is already allocated", "address already in use", "ports are not available"],
        Trouble::PortTaken,
    ),
    known(&["toomanyrequests", "pull rate limit", "too many requests"], Trouble::RateLimited),
    known(&["no space left on device"], Trouble::DiskFull),
    known(&["too many open files"], Trouble::TooManyWatches),
    known(&["content digest sha256:"], Trouble::Digest),
    known(&["another operation (install/upgrade/rollback) is in progress"], Trouble::Pending),
    known(&["release: not found"], Trouble::NoRelease),
    known(
        &["values don't meet the specifications of the schema", "error converting yaml to json"],
        Trouble::Values,
    ),
    known(&["failed calling webhook"], Trouble::Webhook),
    known(&["cannot be imported into the current release", "invalid ownership metadata"], Trouble::NotOurs),
    known(
        &["kubernetes cluster unreachable", "the connection to the server", "was refused - did you specify"],
        Trouble::ClusterGone,
    ),
    known(
        &[
            "failed to init node with kubeadm",
            "could not find a log line that matches",
            "failed to start control plane",
        ],
        Trouble::NodeDead,
    ),
    known(
        &[
            "no such host",
            "temporary failure in name resolution",
            "tls handshake timeout",
            "i/o timeout",
            "connection reset by peer",
            "network is unreachable",
            "no route to host",
            "x509: certificate",
            "client.timeout exceeded",
            "proxyconnect tcp",
        ],
        Trouble::Network,
    ),
    known(
        &[
            "manifest unknown",
            "manifest for",
            "pull access denied",
            "no such image",
            "name unknown",
            "denied: ",
        ],
        Trouble::NoImage,
    ),
    known(
        &[
            "not found in http",
            "not found in https",
            "no chart version found",
            "chart version",
            "no cached repo found",
        ],
        Trouble::NoChart,
    ),
    known(&["context deadline exceeded", "timed out waiting for the condition"], Trouble::TimedOut),
];

const fn known(any: &'static [&'static str], trouble: Trouble) -> Known {
    Known { any, trouble }
}

/// What kind of trouble a program's words are about, if they are known.
pub fn trouble(said: &Said) -> Option<Trouble> {
    let text = format!("{}\n{}", said.stderr, said.stdout).to_lowercase();
    KNOWN.iter().find(|known| known.any.iter().any(|words| text.contains(words))).map(|known| known.trouble)
}

/// The error for a program that failed.
pub fn error(doing: Doing<'_>, said: &Said) -> Error {
    let Doing { what, cluster, port: (port, wished) } = doing;
    let words = words(said);
    let plain = |message: String, hint: &str| {
        let error = Error::environment(format!("cannot {what}: {message}"));
        if hint.is_empty() { error } else { error.hint(hint) }
    };
    const LOCAL: &str = "`--lab local` needs no containers";
    const NODE: &str = "`--node-image REF` names another, as of a mirror or one that this machine has";
    let engines = matches!(
        trouble(said),
        Some(Trouble::EngineDead | Trouble::EngineDenied | Trouble::DiskFull | Trouble::TooManyWatches)
    );
    if let Some(image) = node_image(said).filter(|_| !engines) {
        let login = match trouble(said) {
            Some(Trouble::RateLimited) => "; `docker login` raises the limit, which is counted by the hour",
            _ => "",
        };
        return plain(
            format!("the node's image {image} cannot be pulled: {words}"),
            &format!("{NODE}{login}"),
        );
    }
    match trouble(said) {
        Some(Trouble::EngineDead) => plain(
            "the container engine's daemon does not run".into(),
            &format!("start it (`sudo systemctl start docker`, or Docker Desktop); {LOCAL}"),
        ),
        Some(Trouble::EngineDenied) => plain(
            "you may not use the container engine's socket".into(),
            &format!("join the group docker (`sudo usermod -aG docker $USER`, then log in anew); {LOCAL}"),
        ),
        Some(Trouble::EngineAbsent) => plain(
            "there is no container engine on PATH".into(),
            &format!("install docker, podman or nerdctl; {LOCAL}"),
        ),
        Some(Trouble::NameTaken) => plain(
            format!("a cluster named {cluster} is there and is not this lab's"),
            &format!(
                "`kind delete cluster --name {cluster}` removes it if it is yours; another folder in OIDC_LAB_DIR gives the lab another name"
            ),
        ),
        Some(Trouble::PortTaken) => plain(
            format!("port {port} of this machine is in use"),
            match wished {
                true => "end what listens there, or leave --port out for a free one",
                false => "something took it at that moment: run it again",
            },
        ),
        Some(Trouble::RateLimited) => plain(
            format!("the registry's limit for pulls is used up: {words}"),
            "`docker login` raises it, `--node-image` takes the node's image from a mirror; or wait, it is counted by the hour",
        ),
        Some(Trouble::NoImage) => {
            plain(words, "is the image's name right, and may it be pulled without a login?")
        }
        Some(Trouble::NoChart) => plain(words, "another release is chosen with `--argocd vX.Y.Z`"),
        Some(Trouble::Network) => plain(
            words,
            "check the network, and the proxy if there is one: the engine's daemon has settings of its own for it",
        ),
        Some(Trouble::DiskFull) => plain(
            "no space is left on the engine's disk".into(),
            "`docker system df` says what takes it; the lab's images are some gigabytes",
        ),
        Some(Trouble::TooManyWatches) => plain(
            words,
            "raise the limits: `sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512`",
        ),
        Some(Trouble::NodeDead) => plain(
            "Kubernetes did not start on the node".into(),
            "memory is a frequent cause; `--keep` leaves the node for a look, as with `kind export logs`",
        ),
        Some(Trouble::Digest) => plain(
            words,
            "docker from 29 on keeps images of other platforms by name only; the node pulls them itself",
        ),
        Some(Trouble::Pending) => plain(
            "an earlier run of Helm was killed".into(),
            "`cargo xtask working` clears it; if it does not, `cargo xtask down` does",
        ),
        Some(Trouble::NoRelease) => plain(words, "`cargo xtask working` installs what is missing"),
        Some(Trouble::ClusterGone) => plain(
            "the cluster does not answer".into(),
            "`cargo xtask working` starts its node again; `cargo xtask down` removes the lab",
        ),
        Some(Trouble::Webhook) => plain(
            words,
            "a webhook that is not the lab's is in the way: `cargo xtask kubectl -- get validatingwebhookconfigurations` lists them; run it again if it was only late",
        ),
        Some(Trouble::TimedOut) => plain(
            format!("it was not done in time: {words}"),
            "`--wait SECONDS` gives it longer; `cargo xtask kubectl -- get pods -A` shows what it waits for",
        ),
        Some(Trouble::Values) => plain(words, "the values are in values/"),
        Some(Trouble::NotOurs) => plain(
            words,
            "objects of that name are there and not Helm's: `cargo xtask down working` begins anew",
        ),
        None => plain(words, "`-vv` shows every command and all that it says"),
    }
}

/// The image that kind could not pull for its node.
fn node_image(said: &Said) -> Option<&str> {
    let (_, rest) = said.stderr.split_once("failed to pull image \"")?;
    rest.split_once('"').map(|(image, _)| image)
}

/// The words that say most: kind's and Helm's own error, else the last line.
fn words(said: &Said) -> String {
    let lines = || said.stderr.lines().chain(said.stdout.lines()).map(str::trim).filter(|it| !it.is_empty());
    let marked = lines().rev().find(|line| {
        ["ERROR: ", "Error: ", "error: ", "Command Output: "].iter().any(|mark| line.starts_with(mark))
    });
    let line = marked.or_else(|| lines().next_back());
    let Some(line) = line else {
        return match said.status.and_then(|status| status.code()) {
            Some(code) => format!("it ended with status {code} and said nothing"),
            None => "it was ended by a signal".into(),
        };
    };
    let mut line = line;
    for mark in ["ERROR: ", "Error: ", "error: ", "Command Output: ", "Error response from daemon: "] {
        line = line.strip_prefix(mark).unwrap_or(line);
    }
    let plain: String = line.chars().filter(|c| !c.is_control()).take(400).collect();
    plain.trim_end_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
