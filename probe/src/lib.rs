//! Logs in to an Argo CD by OIDC as a browser does, step by step, and says at which step and why it fails.
//!
//! A login has six steps: `settings` (what Argo CD's page asks before it shows its button), `login`
//! (`GET /auth/login`, with the page where it is to end), `authorize` (to the identity provider's form), `form` (sent with user name and password), `callback` (back at Argo CD with a code) and `userinfo` (the
//! proof that the token is good). That of the command line ([`cli_login`]) is another: `settings`, `authorize`,
//! `form`, `token` and `userinfo`. [`run()`] does a series of them and gives a [`Report`] with a [`Verdict`].
//! Whatever is kept of an exchange has passed the [`redact::Redactor`].

pub mod as_text;
pub mod catalogue;
mod cause;
mod certificate;
pub mod cli_login;
mod cookie_date;
pub mod form;
pub mod hops;
pub mod http;
mod id_token;
pub mod jar;
mod lockout;
mod login;
mod options;
pub mod pace;
pub mod page;
pub mod password;
mod password_hosts;
mod proxy;
pub mod redact;
pub mod rehearsal;
mod report;
mod resolve;
mod run;
mod settings;
mod stay;
pub mod summary;
pub mod table;
mod tls;
mod token_answer;
mod trace;
pub mod typing;
pub mod usage;
mod verdict;
pub mod watch;
mod words;

pub use catalogue::{Cause, CauseId, Certainty};
pub use http::NoAnswer;
pub use id_token::{claims, token_of};
pub use lockout::Sign;
pub use login::{Failure, MAY_LOOK, User, may_look};
pub use options::Options;
pub use pace::Outcome;
pub use password_hosts::{PasswordHost, PasswordHosts};
pub use proxy::Proxies;
pub use redact::Password;
pub use rehearsal::{Rehearsal, rehearse};
pub use report::{FailureGroup, Latency, Login, MOST_SHOWN, Point, Report};
pub use resolve::{Resolve, ResolveError};
pub use run::{Event, login, run};
pub use stay::{NotOpen, Page, open_page};
pub use tls::{Tls, TlsError};
pub use token_answer::TokenAnswer;
pub use trace::{Exchange, SetCookie, Step};
pub use verdict::Verdict;
