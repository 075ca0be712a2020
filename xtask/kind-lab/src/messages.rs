//! What outside programs say when something goes wrong, as one sentence with what to
//! do about it. The wordings were seen on kind v0.33, Helm 3.22 and 4.3, and docker.

use base::Error;
use base::process::Said;

/// One kind of trouble, as far as the lab itself does something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is the engine's or this machine's, whatever was being done.
    Machine,
    /// A cluster of this name is there.
    NameTaken,
    /// The port of the ingress is in use.
    PortTaken,
    /// A registry serves no more without a login.
    RateLimited,
    /// A digest that the archive names and does not hold.
    Digest,
    /// An earlier operation of Helm was killed.
    Pending,
    /// Helm does not know the release.
    NoRelease,
    /// Another, which is only said.
    Other,
}

/// Any of these in what was said, all lower case; what trouble that is; what is said of it, or
/// nothing where the program's own words say most; and what to do.
type Known = (&'static [&'static str], Trouble, &'static str, &'static str);

macro_rules! known {
    ($($trouble:ident: $($words:literal)|+ => $says:literal, $hint:literal;)+) => {
        &[$((&[$($words),+], Trouble::$trouble, $says, $hint)),+]
    };
}

/// In the order in which they are looked for: the first that fits is it. Whether there is an
/// engine was asked before.
const KNOWN: &[Known] = known! {
    Machine: "permission denied while trying to connect" =>
        "you may not use the container engine's socket",
        "join the group docker (`sudo usermod -aG docker $USER`, then log in anew); `--lab local` needs no containers";
    Machine: "cannot connect to the docker daemon" | "is the docker daemon running" |
        "cannot connect to podman" =>
        "the container engine's daemon does not run",
        "start it (`sudo systemctl start docker`, or Docker Desktop); `--lab local` needs no containers";
    NameTaken: "node(s) already exist for a cluster with the name" =>
        "a cluster named {cluster} is there and is not this lab's",
        "`kind delete cluster --name {cluster}` removes it if it is yours; another folder in OIDC_LAB_DIR gives the lab another name";
    PortTaken: "port is already allocated" | "address already in use" | "ports are not available" =>
        "port {port} of this machine is in use", "something took it at that moment: run it again";
    RateLimited: "toomanyrequests" | "pull rate limit" | "too many requests" =>
        "the registry's limit for pulls is used up: {words}",
        "`docker login` raises it, `--node-image` takes the node's image from a mirror; or wait, it is counted by the hour";
    Machine: "no space left on device" =>
        "no space is left on the engine's disk",
        "`docker system df` says what takes it; the lab's images are some gigabytes";
    Machine: "too many open files" =>
        "", "raise the limits: `sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512`";
    Digest: "content digest sha256:" =>
        "", "docker from 29 on keeps images of other platforms by name only; the node pulls them itself";
    Pending: "another operation (install/upgrade/rollback) is in progress" =>
        "an earlier run of Helm was killed",
        "`cargo xtask working` clears it; if it does not, `cargo xtask down` does";
    NoRelease: "release: not found" =>
        "", "`cargo xtask working` installs what is missing";
    Other: "values don't meet the specifications of the schema" | "error converting yaml to json" =>
        "", "the values are in values/";
    Other: "failed calling webhook" =>
        "", "a webhook that is not the lab's is in the way: `cargo xtask kubectl -- get validatingwebhookconfigurations` lists them; run it again if it was only late";
    Other: "kubernetes cluster unreachable" | "the connection to the server" |
        "was refused - did you specify" =>
        "the cluster does not answer",
        "`cargo xtask working` starts its node again; `cargo xtask down` removes the lab";
    Other: "failed to init node with kubeadm" | "could not find a log line that matches" |
        "failed to start control plane" =>
        "Kubernetes did not start on the node",
        "memory is a frequent cause; `--keep` leaves the node for a look, as with `kind export logs`";
    Other: "no such host" | "temporary failure in name resolution" | "tls handshake timeout" |
        "i/o timeout" | "connection reset by peer" | "network is unreachable" | "no route to host" |
        "x509: certificate" | "client.timeout exceeded" | "proxyconnect tcp" =>
        "", "check the network, and the proxy if there is one: the engine's daemon has settings of its own for it";
    Other: "manifest unknown" | "manifest for" | "pull access denied" | "no such image" | "name unknown" |
        "denied: " =>
        "", "is the image's name right, and may it be pulled without a login?";
    Other: "not found in http" | "no chart version found" | "chart version" | "no cached repo found" =>
        "", "another release is chosen with `--argocd vX.Y.Z`";
    Other: "context deadline exceeded" | "timed out waiting for the condition" =>
        "it was not done in time: {words}",
        "`--wait SECONDS` gives it longer; `cargo xtask kubectl -- get pods -A` shows what it waits for";
};

fn known(said: &Said) -> Option<&'static Known> {
    let text = format!("{}\n{}", said.stderr, said.stdout).to_lowercase();
    KNOWN.iter().find(|(any, ..)| any.iter().any(|words| text.contains(words)))
}

/// What kind of trouble a program's words are about, if they are known.
pub fn trouble(said: &Said) -> Option<Trouble> {
    known(said).map(|(_, trouble, ..)| *trouble)
}

/// The error for a program that failed: `what` was done, in words that end a sentence, as
/// `create the cluster oidc-lab`; kind's name for the cluster; and the port of the ingress, and
/// whether somebody wished for that one.
pub fn error(what: &str, cluster: &str, (port, wished): (u16, bool), said: &Said) -> Error {
    let words = words(said);
    let unknown: Known = (&[], Trouble::Other, "", "`-vv` shows every command and all that it says");
    let (_, trouble, says, mut hint) = known(said).copied().unwrap_or(unknown);
    let mut says = if says.is_empty() { "{words}".to_owned() } else { says.to_owned() };
    if let Some(image) = node_image(said).filter(|_| trouble != Trouble::Machine) {
        says = format!("the node's image {image} cannot be pulled: {{words}}");
        hint = match trouble {
            Trouble::RateLimited => {
                "`--node-image REF` names another, as of a mirror or one that this machine has; `docker login` raises the limit, which is counted by the hour"
            }
            _ => "`--node-image REF` names another, as of a mirror or one that this machine has",
        };
    } else if trouble == Trouble::PortTaken && wished {
        hint = "end what listens there, or leave --port out for a free one";
    }
    // The program's own words come last: what looks like a place in them is none.
    let says = says.replace("{cluster}", cluster).replace("{port}", &port.to_string());
    Error::environment(format!("cannot {what}: {}", says.replace("{words}", &words)))
        .hint(hint.replace("{cluster}", cluster))
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
