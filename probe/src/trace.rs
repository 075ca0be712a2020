//! What happened in a login, exchange by exchange, with nothing secret in it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::jar::Kept;

/// The steps of a login, in their order: `login` and `callback` are a browser's, `token` is the command line's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// What Argo CD's page asks before anybody presses its button: `GET /api/v1/settings`, and the version.
    Settings,
    /// `GET /auth/login` of Argo CD.
    Login,
    /// From the identity provider's address to its login form.
    Authorize,
    /// The form is sent.
    Form,
    /// Back to Argo CD with a code.
    Callback,
    /// The command line redeems its code at the provider by itself.
    Token,
    /// `GET /api/v1/session/userinfo`: does the token open anything?
    Userinfo,
}

impl Step {
    /// The name used in JSON and in text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Login => "login",
            Self::Authorize => "authorize",
            Self::Form => "form",
            Self::Callback => "callback",
            Self::Token => "token",
            Self::Userinfo => "userinfo",
        }
    }

    /// Whether Argo CD answers this step; the identity provider answers the others.
    pub fn is_argocds(self) -> bool {
        matches!(self, Self::Settings | Self::Login | Self::Callback | Self::Userinfo)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One request and its answer, redacted. Read is what somebody has to know of one that is over: what was asked, and
/// where its answer leads.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exchange {
    /// The step of the login it belongs to.
    pub step: Step,
    /// `GET` or `POST`.
    #[serde(skip_deserializing)]
    pub method: &'static str,
    /// The URL, secrets masked.
    pub url: String,
    /// Host (with its port, if not the scheme's own) and path.
    #[serde(skip_deserializing)]
    pub place: String,
    /// The names of the cookies sent along.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub cookies_sent: Vec<String>,
    /// The names of the form fields sent.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub fields_sent: Vec<String>,
    /// The status of the answer; None when there was none.
    pub status: Option<u16>,
    /// When it was sent, from the attempt's beginning.
    #[serde(skip_deserializing, rename = "at_ms", serialize_with = "crate::trace::as_ms")]
    pub at: Duration,
    /// From sending the request to the end of the body.
    #[serde(skip_deserializing, rename = "ms", serialize_with = "crate::trace::as_ms")]
    pub time: Duration,
    /// The answer's headers, secrets masked.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The size of the body, in bytes.
    #[serde(skip_deserializing)]
    pub bytes: usize,
    /// The cookies set: names only.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<SetCookie>,
    /// Where the answer leads, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// In a few words what came of it.
    #[serde(skip_deserializing)]
    pub note: String,
    /// Until when the server's certificate is good, if it came by https.
    #[serde(skip)]
    pub certificate: Option<Timestamp>,
}

/// One `Set-Cookie` header: its name and what a browser does with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetCookie {
    /// The cookie's name.
    pub name: String,
    /// Whether it is in the jar now.
    pub kept: Kept,
    /// Whether its value is empty, which is how Argo CD takes its state cookie back.
    pub empty: bool,
}

/// A duration as milliseconds with one digit after the point.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Serialises a duration as milliseconds.
pub(crate) fn as_ms<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(milliseconds(*time))
}
