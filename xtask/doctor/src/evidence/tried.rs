//! What a provider's token endpoint was shown, and what it answered.

use probe::TokenAnswer;
use serde::{Deserialize, Serialize};

/// A client secret that was shown to the token endpoint, with a code that nobody gave out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Tried {
    /// Which secret.
    pub form: Form,
    /// By which method.
    pub by: Method,
    /// What the endpoint answered; in words, where it was nothing to compare: no answer, a redirect, an error of
    /// its own, or that it is asked too often.
    pub answer: Result<TokenAnswer, String>,
}

/// Which secret was shown: the one that is set, a form of it that a mistake may have left at the provider, or the
/// control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As Argo CD presents it: without white space around it.
    Presented,
    /// As it stands in the Secret, white space and all.
    AsStored,
    /// With a line break at its end.
    WithLineBreak,
    /// What it is the base64 of.
    Decoded,
    /// Its base64.
    Encoded,
    /// A random one, which is surely wrong.
    Wrong,
    /// Another random one: whether two wrong ones are answered alike.
    WrongAgain,
    /// None at all, as a public client does it.
    None,
}

impl Form {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Presented => "the client secret that is set for Argo CD now",
            Self::AsStored => "the client secret with the white space that stands in the Secret",
            Self::WithLineBreak => "the client secret with a line break at its end",
            Self::Decoded => "the client secret decoded from base64 once more",
            Self::Encoded => "the client secret encoded in base64",
            Self::Wrong | Self::WrongAgain => "a random one",
            Self::None => "no client secret",
        }
    }
}

/// How a client shows its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `client_secret_basic`: in the header.
    Basic,
    /// `client_secret_post`: in the body.
    Post,
}

impl Method {
    /// Both, in the order in which Argo CD's library tries them.
    pub const BOTH: [Self; 2] = [Self::Basic, Self::Post];

    /// Where the secret stands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "in the header",
            Self::Post => "in the body",
        }
    }
}
