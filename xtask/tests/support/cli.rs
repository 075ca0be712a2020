//! The real command line of Argo CD, and somebody who follows the address that it prints.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use probe::form::LoginForm;
use probe::http::{Answer, Connections, NoAnswer, Request};
use probe::page::Page;
use probe::{Options, Password, Resolve};
use serde_json::Value;
use url::Url;

use crate::support::{Ended, Lab};

/// The longest that the command or a server may take for its next word.
const LIMIT: Duration = Duration::from_secs(60);

/// The command line, with a HOME of its own, and the lab behind its ingress.
pub struct Cli {
    program: PathBuf,
    home: PathBuf,
    ingress: String,
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Cli {
    pub fn of(lab: &Lab, program: &Path) -> Self {
        let status: Value = lab.json(0, &["status"]);
        let ingress = status["goals"][0]["address"].as_str().unwrap().to_owned();
        Self { program: program.to_owned(), home: lab.home(), ingress }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        // The lab's ingress is a forward proxy: its names need no DNS.
        command.env_clear().env("HOME", &self.home).env("HTTP_PROXY", format!("http://{}", self.ingress));
        command.args(args).arg("--config").arg(self.home.join("argocd-config")).stdin(Stdio::null());
        command
    }

    /// `argocd account get-user-info`, of whoever is logged in.
    pub fn user_info(&self) -> Ended {
        Ended::of(&mut self.command(&["account", "get-user-info"]))
    }

    /// `argocd login --sso`, with somebody who goes where it says and logs in there. Gives how it ended, and the last
    /// page; it is ended by force where that page is the provider's.
    pub fn login(&self) -> (Ended, Answer) {
        // A file takes all that is said, and never makes the program wait.
        let err = self.home.join("argocd-stderr");
        let login = ["login", "argocd.host:80", "--plaintext", "--grpc-web", "--skip-test-tls", "--sso"];
        let mut command = self.command(&login);
        command.arg("--sso-launch-browser=false").stdout(Stdio::piped()).stderr(File::create(&err).unwrap());
        let mut running = Running(command.spawn().unwrap());
        let lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
        let (said, says) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send(line)));
        let mut stdout = String::new();
        let address = loop {
            let line = says.recv_timeout(LIMIT).unwrap_or_else(|error| {
                panic!("{error}: {stdout}{}", std::fs::read_to_string(&err).unwrap())
            });
            stdout.push_str(&format!("{line}\n"));
            // Said when it is about to listen.
            if let Some((_, address)) =
                line.split_once("copy-and-paste the following URL into your preferred browser: ")
            {
                break address.parse().unwrap();
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (last, came_back) = runtime.block_on(self.follow(address));
        if !came_back {
            running.0.kill().unwrap();
        }
        let status = running.0.wait().unwrap();
        while let Ok(line) = says.recv_timeout(LIMIT) {
            stdout.push_str(&format!("{line}\n"));
        }
        let stderr = std::fs::read_to_string(&err).unwrap();
        (Ended { stdout, stderr, status: status.code().unwrap_or(-1) }, last)
    }

    /// From the address to the form, and from there back to the command. Gives the last page, and whether it is the
    /// command's.
    async fn follow(&self, address: Url) -> (Answer, bool) {
        let mut options = Options::new(address.clone(), "", Password::new(""));
        options.resolve = vec![Resolve::new("dex.host", 80, self.ingress.parse().unwrap())];
        let mut connections = Connections::new(&options);
        let (mut url, mut form) = (address, None);
        let since = Instant::now();
        loop {
            let request = Request { form: form.as_deref(), ..Request::get(&url, LIMIT) };
            let answer = match connections.send(request).await {
                // It begins to listen a moment after it has said so.
                Err((NoAnswer::Refused, _)) if since.elapsed() < LIMIT => continue,
                answer => answer.map_err(|(error, _)| format!("{url}: {error:?}")).unwrap(),
            };
            if let Some(to) = answer.header("location") {
                (url, form) = (url.join(to).unwrap(), None);
                continue;
            }
            let page = Page::parse(&answer.text());
            match LoginForm::of(&page).filter(|_| form.is_none()) {
                Some(found) => {
                    let filled = found.fill(&url, None, "admin@example.com", "password").unwrap();
                    (url, form) = (filled.url, Some(filled.body));
                }
                None => return (answer, url.host_str() == Some("localhost")),
            }
        }
    }
}
