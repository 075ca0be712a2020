//! A small Argo CD and identity provider for tests: `argocd.host` and `dex.host` on one port of loopback,
//! told apart by the Host header. What each path answers can be replaced; the answers that stand here have
//! the status, headers and wording of argocd-server v3.5 and Dex v2.45.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by test programs that each use a part"
)]

pub mod exporter;
pub mod tls;
mod wire;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use probe::{Options, Password, Resolve};

pub use wire::{Reply, Request};

pub const USER: &str = "admin@example.com";
/// A password that no page contains by chance.
pub const PASSWORD: &str = "Tr0ub4dor&3 horse";

/// The error that Argo CD's callback answers with when the provider does not accept its secret.
pub const INVALID_CLIENT: &str =
    "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"\n";
/// What Argo CD says to a `return_url` that is not below its `url`.
pub const INVALID_REDIRECT: &str = "Invalid redirect URL: the protocol and host (including port) must match and the \
     path must be within allowed URLs if provided\n";
/// How Argo CD takes its state cookie back, whether the login passes or not.
const EMPTIED: (&str, &str) = ("Set-Cookie", "argocd.oauthstate=; HttpOnly; SameSite=Lax");
/// The page of nginx for a backend that is gone.
pub const BAD_GATEWAY: &str = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad \
     Gateway</h1></center>\n<hr><center>nginx/1.22.1</center>\n</body>\n</html>\n";

type Answer = Box<dyn Fn(&Request, usize) -> Option<Reply> + Send + Sync>;

/// A running pair of servers.
pub struct Fake {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    scheme: &'static str,
    /// By host and path; what they leave unanswered is answered as by servers that are well.
    answers: Mutex<HashMap<String, (usize, Arc<Answer>)>>,
    seen: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// Everything handed out that nobody may read anywhere.
    secrets: Mutex<Vec<String>>,
    /// Code to the state it was given for.
    codes: Mutex<HashMap<String, String>>,
    /// Request of the provider to the state of Argo CD.
    pending: Mutex<HashMap<String, String>>,
    count: AtomicUsize,
}

impl Fake {
    /// Servers that are well.
    pub fn start() -> Self {
        Self::serve(None)
    }

    /// The same over https, where every name says https as well.
    pub fn start_tls(authority: &tls::Authority) -> Self {
        Self::serve(Some(authority.server(&["argocd.host", "dex.host", "evil.host"])))
    }

    fn serve(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared { scheme, ..Shared::default() });
        let served = Arc::clone(&shared);
        // The threads end with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, tls) = (Arc::clone(&served), tls.clone());
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let respond = |request: &Request| shared.respond(request);
                    match tls {
                        None => wire::serve(stream, number, respond),
                        Some(tls) => {
                            let connection = rustls::ServerConnection::new(tls).unwrap();
                            wire::serve(rustls::StreamOwned::new(connection, stream), number, respond);
                        }
                    }
                });
            }
        });
        Self { address, shared }
    }

    /// Replaces the answer of `place` (host and path) by what `answer` gives for a request and the number
    /// of requests it had before.
    pub fn answer(
        self,
        place: &str,
        answer: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        self.shared.answers.lock().unwrap().insert(place.to_owned(), (0, Arc::new(Box::new(answer))));
        self
    }

    /// Replaces the answer of `place` for good.
    pub fn always(self, place: &str, reply: Reply) -> Self {
        self.answer(place, move |_, _| Some(reply.clone()))
    }

    /// Lets the callback fail as if the provider had not accepted Argo CD's secret: each time that `when`
    /// says so of the number of callbacks before.
    pub fn invalid_client(self, when: impl Fn(usize) -> bool + Send + Sync + 'static) -> Self {
        self.answer("argocd.host/auth/callback", move |_, count| when(count).then(invalid_client))
    }

    /// Options for a login here, without patience for restarts.
    pub fn options(&self) -> Options {
        let mut options = Options::new(self.url().parse().unwrap(), USER, Password::new(PASSWORD));
        options.logins = 1;
        options.timeout = Duration::from_secs(5);
        options.startup_grace = Duration::ZERO;
        let names = ["argocd.host", "dex.host"].iter().flat_map(|host| [(host, 80), (host, 443)]);
        options.resolve = names.map(|(host, port)| Resolve::new(host, port, self.address)).collect();
        options
    }

    /// Where its Argo CD is.
    pub fn url(&self) -> String {
        format!("{}://argocd.host", self.shared.scheme)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many requests were in work at the same time, at most.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// Everything that no output may contain.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.shared.secrets.lock().unwrap().clone();
        secrets.push(PASSWORD.to_owned());
        secrets.push(PASSWORD.replace('&', "%26").replace(' ', "+"));
        secrets
    }
}

impl Shared {
    fn respond(&self, request: &Request) -> Reply {
        self.seen.lock().unwrap().push(request.clone());
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        let host = request.host().split(':').next().unwrap_or_default();
        let place = format!("{host}{}", request.path());
        let replaced = self.answers.lock().unwrap().get_mut(&place).map(|(count, answer)| {
            *count += 1;
            (*count - 1, Arc::clone(answer))
        });
        let reply = replaced
            .and_then(|(count, answer)| answer(request, count))
            .unwrap_or_else(|| self.well(request, &place));
        self.open.fetch_sub(1, Ordering::SeqCst);
        reply
    }

    fn secret(&self, kind: &str) -> String {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        let secret = format!("{kind}{count:04}b3kvblnmrzm5qpz4no4wpuszv");
        self.secrets.lock().unwrap().push(secret.clone());
        secret
    }

    fn well(&self, request: &Request, place: &str) -> Reply {
        match place {
            "argocd.host/api/version" => Reply::json(r#"{"Version":"v3.5.1+cd22b0e"}"#),
            "argocd.host/api/v1/settings" => Reply::json(&format!(
                r#"{{"url":"{0}://argocd.host","oidcConfig":{{"name":"Dex","issuer":"{0}://dex.host","clientID":"argo-cd"}}}}"#,
                self.scheme
            )),
            "argocd.host/auth/login" => {
                let page = request.parameter("return_url").unwrap_or_default();
                let own = format!("{}://argocd.host", self.scheme);
                if !page.is_empty() && !page.starts_with(&own) {
                    return Reply::plain(400, INVALID_REDIRECT);
                }
                let (state, sealed) = (self.secret("state"), self.secret("sealed"));
                let query = format!(
                    "client_id=argo-cd&redirect_uri={}%3A%2F%2Fargocd.host%2Fauth%2Fcallback&response_type=code\
                     &scope=openid+profile+email&state={state}",
                    self.scheme
                );
                Reply::new(303, "text/html; charset=utf-8", "")
                    .header("Location", &format!("{}://dex.host/auth?{query}", self.scheme))
                    .header(
                        "Set-Cookie",
                        &format!("argocd.oauthstate={sealed}{state}; Expires=Fri, 23 Nov 2096 22:41:40 GMT; HttpOnly; SameSite=Lax"),
                    )
            }
            "dex.host/auth" => Reply::new(302, "text/html; charset=utf-8", "")
                .header("Location", &format!("/auth/local?{}", request.query())),
            "dex.host/auth/local" => {
                let own = self.secret("request");
                let state = request.parameter("state").unwrap_or_default();
                self.pending.lock().unwrap().insert(own.clone(), state);
                Reply::new(302, "text/html; charset=utf-8", "")
                    .header("Location", &format!("/auth/local/login?back=&state={own}"))
            }
            "dex.host/auth/local/login" => {
                let own = request.parameter("state").unwrap_or_default();
                if request.method == "GET" {
                    return Reply::new(200, "text/html; charset=utf-8", &form(&own, None));
                }
                let field = |name| request.field(name).unwrap_or_default();
                if (field("login").as_str(), field("password").as_str()) != (USER, PASSWORD) {
                    let error = Some("Invalid Email Address and password.");
                    return Reply::new(401, "text/html; charset=utf-8", &form(&own, error));
                }
                let Some(state) = self.pending.lock().unwrap().remove(&own) else {
                    return Reply::new(400, "text/plain", "no such request");
                };
                let code = self.secret("code");
                self.codes.lock().unwrap().insert(code.clone(), state.clone());
                Reply::new(303, "", "").header(
                    "Location",
                    &format!("{}://argocd.host/auth/callback?code={code}&state={state}", self.scheme),
                )
            }
            "argocd.host/auth/callback" => self.callback(request),
            "argocd.host/api/v1/session/userinfo" => match request.cookie("argocd.token") {
                Some(token) if self.secrets.lock().unwrap().contains(&token) => Reply::json(&format!(
                    r#"{{"loggedIn":true,"username":"{USER}","iss":"http://dex.host","groups":["{USER}"]}}"#
                ))
                .header("Grpc-Metadata-Content-Type", "application/grpc")
                .header("Vary", "Accept-Encoding"),
                _ => Reply::json("{}"),
            },
            _ => Reply::plain(404, "404 page not found\n"),
        }
    }

    fn callback(&self, request: &Request) -> Reply {
        if let Some(error) = request.parameter("error") {
            let description = request.parameter("error_description").unwrap_or_default();
            return Reply::plain(400, &format!("{error}: {description}\n"));
        }
        let Some(cookie) = request.cookie("argocd.oauthstate") else {
            return Reply::plain(400, "http: named cookie not present\n");
        };
        let state = request.parameter("state").unwrap_or_default();
        if state.is_empty() || !cookie.ends_with(&state) {
            return Reply::plain(400, "invalid state in 'argocd.token' cookie\n");
        }
        let code = request.parameter("code").unwrap_or_default();
        if self.codes.lock().unwrap().remove(&code).as_deref() != Some(state.as_str()) {
            let words =
                "failed to get token: oauth2: \"invalid_grant\" \"Invalid or expired code parameter.\"\n";
            return Reply::plain(500, words).header(EMPTIED.0, EMPTIED.1);
        }
        let secure = if self.scheme == "https" { "; Secure" } else { "" };
        let token = self.secret("eyJhbGciOiJSUzI1NiJ9.");
        Reply::new(303, "text/html; charset=utf-8", "<a href=\"/\">See Other</a>.\n\n")
            .header("Location", "/")
            .header(EMPTIED.0, EMPTIED.1)
            .header("Set-Cookie", &format!("argocd.token={token}; path=/; SameSite=lax; httpOnly{secure}"))
    }
}

/// Argo CD's callback when the provider does not accept its secret.
pub fn invalid_client() -> Reply {
    Reply::plain(500, INVALID_CLIENT).header(EMPTIED.0, EMPTIED.1)
}

/// The login page: method, action with an entity in it, and fields as Dex has them.
fn form(state: &str, error: Option<&str>) -> String {
    let error =
        error.map_or_else(String::new, |error| format!("<div id=\"login-error\">\n  {error}\n</div>"));
    format!(
        r#"<!DOCTYPE html><html><head><title>Example</title><style>form {{ color: red }}</style></head><body>
        <form method="post" action="/auth/local/login?back=&amp;state={state}">
          <label for="login">Email Address</label>
          <input tabindex="1" required id="login" name="login" type="text" autofocus/>
          <label for="password">Password</label>
          <input tabindex="2" required id="password" name="password" type="password"/>
          {error}
          <button tabindex="3" id="submit-login" type="submit">Login</button>
        </form></body></html>"#
    )
}
