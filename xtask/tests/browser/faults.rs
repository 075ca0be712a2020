//! What a person reads under each fault, and what the probe says of the same.

use releases::Release;
use serde_json::Value;

use crate::person::{End, Person};
use crate::support::Lab;
use crate::support::programs::Real;
use crate::webdriver::Programs;

/// A fault as it is on the screen.
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// Where the attempt to log in ends.
    end: End,
    /// The words there.
    words: &'static str,
    /// What the probe says.
    probe: Probe,
}

/// What the probe says of what is on the screen.
enum Probe {
    /// What it says can be read there.
    TheSame,
    /// Words of its own, since those on the screen are the browser's or its page's.
    Says(&'static str),
    /// That the login passed.
    LoggedIn,
}

/// What a refused client secret looks like.
pub const INVALID_CLIENT: &str =
    r#"failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#;
const INVALID_REDIRECT: &str = "Invalid redirect URL: the protocol and host (including port) must match and the \
                                path must be within allowed URLs if provided";

/// What `break` does where a changed secret is not noticed.
pub const ROTATE: Fault = same("rotate", End::Form, INVALID_CLIENT);

/// All that end in the same words each time (without Redis it is `EOF` or a reset), with one
/// browser and on this release.
pub const READ: [Fault; 19] = [
    ROTATE,
    same("secret-mismatch", End::Form, INVALID_CLIENT),
    same("secret-unlabelled", End::Form, INVALID_CLIENT),
    same("secret-key-missing", End::Form, INVALID_CLIENT),
    same("secret-reference", End::Form, INVALID_CLIENT),
    same("redirect-uri", End::Button, "Unregistered redirect_uri."),
    same("argocd-url", End::Button, INVALID_REDIRECT),
    same("no-url", End::Button, INVALID_REDIRECT),
    same("issuer-mismatch", End::Button, "oidc: issuer did not match the issuer returned by provider"),
    same("provider-unreachable", End::Button, "failed to query provider"),
    same("provider-ca", End::Button, "x509: certificate signed by unknown authority"),
    same("state-cookie", End::Button, INVALID_REDIRECT),
    same("server-key-missing", End::Page, "server.secretkey is missing"),
    same("audience", End::Form, "failed to verify the token"),
    same("clock", End::Form, "failed to verify the token"),
    same("scope", End::Button, "invalid_scope: Unrecognized scope(s)"),
    same("credentials", End::Form, "Invalid Email Address and password."),
    Fault {
        name: "no-rights",
        end: End::Form,
        words: "No applications available to you just yet",
        probe: Probe::LoggedIn,
    },
    Fault {
        name: "redirect-loop",
        end: End::Page,
        words: "ERR_TUNNEL_CONNECTION_FAILED",
        probe: Probe::Says("TLS failed"),
    },
];

const fn same(name: &'static str, end: End, words: &'static str) -> Fault {
    Fault { name, end, words, probe: Probe::TheSame }
}

impl Fault {
    /// Puts it into a lab of its own, and has it read.
    pub fn is_read(&self, real: &Real, programs: &Programs, release: &Release) {
        let lab = Lab::new();
        real.expect(0, &lab, release, &["working", "break", "--fault", self.name]);
        self.is_read_by(&Person::before(&lab, programs), &lab);
    }

    /// Has it read where it is in.
    #[track_caller]
    pub fn is_read_by(&self, person: &Person, lab: &Lab) {
        let (end, sight) = person.reads(self.words);
        assert_eq!(end, self.end, "{}: {sight:#?}", self.name);
        let status = i32::from(!matches!(self.probe, Probe::LoggedIn));
        let document = lab.json(status, &["test", "--logins", "5"]);
        let test = &document["goals"][0];
        let message = test["failures"][0]["message"].as_str();
        match self.probe {
            Probe::TheSame => {
                let said = message.is_some_and(|message| sight.says(message));
                assert!(said, "{}: {sight:#?}\nis not what the probe says:\n{test:#}", self.name);
            }
            Probe::Says(words) => {
                assert!(message.is_some_and(|message| message.contains(words)), "{}: {test:#}", self.name);
            }
            Probe::LoggedIn => assert_eq!(test["verdict"], Value::from("logged-in"), "{test:#}"),
        }
    }
}
