//! The control: what the provider answers to the client secret that is set, beside what it answers to one that
//! is surely wrong. No list of words decides which secret it takes: where the two answers differ, this provider
//! tells, and what Argo CD says about its own try is one of the two. Argo CD's library shows a secret in the
//! header first and then, whatever is wrong, in the body; what it hands on is the second answer. That of old
//! releases (up to v2.10) goes on with the way that has once worked.

use probe::TokenAnswer;
use probe::rehearsal::Redeemed;

use super::tried::{Form, Method, Tried};
use super::{Evidence, Provider, Rehearsed, shown};

/// What can be said of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The provider answers otherwise than to a wrong one.
    Yes,
    /// It answers as to a wrong one, and is known to answer a right one otherwise.
    No,
    /// It answers as to a wrong one, in words that providers commonly use for a client that they refuse; whether
    /// this one would answer a right one otherwise, nothing has shown.
    NoByItsWords,
    /// Nobody can tell.
    Unclear,
}

impl Taken {
    /// Whether the provider does not take it, as far as its answers say.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::No | Self::NoByItsWords)
    }
}

impl Provider {
    fn answer(&self, form: Form, by: Method) -> Option<&TokenAnswer> {
        self.tried.iter().find(|it| it.form == form && it.by == by)?.answer.as_ref().ok()
    }

    /// Whether a form is answered otherwise than the control, by one method. `None` if that cannot be told: one of
    /// the answers is missing, or wrong secrets are not answered alike themselves.
    fn differs(&self, form: Form, by: Method) -> Option<bool> {
        self.control(by)?.alike(self.answer(form, by)?).map(|alike| !alike)
    }

    /// Whether some secret was answered otherwise than a wrong one.
    fn tells(&self) -> bool {
        let differs = |tried: &Tried| {
            !matches!(tried.form, Form::Wrong | Form::WrongAgain | Form::None)
                && self.differs(tried.form, tried.by) == Some(true)
        };
        self.tried.iter().any(differs)
    }

    /// Whether the provider lets this client redeem a code without a secret, by its words; `None` if it was not
    /// asked, or says something else.
    pub fn lets_in_without(&self) -> Option<bool> {
        let answer = self.answer(Form::None, Method::Post)?;
        match (answer.names_client(), answer.names_code()) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        }
    }

    /// What the provider's own answers say of a form.
    fn says_of(&self, form: Form) -> Taken {
        let differ: Vec<bool> = Method::BOTH.into_iter().filter_map(|by| self.differs(form, by)).collect();
        let refused = |by: Method| self.answer(form, by).is_none_or(TokenAnswer::names_client);
        match differ.as_slice() {
            [] => Taken::Unclear,
            differ if differ.contains(&true) => Taken::Yes,
            _ if self.tells() => Taken::No,
            _ if Method::BOTH.into_iter().all(refused) => Taken::NoByItsWords,
            _ => Taken::Unclear,
        }
    }

    /// Whether an answer that Argo CD hands on is the one to a secret which the provider takes.
    fn says_of_argocds(&self, answer: &TokenAnswer) -> Taken {
        if answer.is_passing() {
            return Taken::Unclear;
        }
        let wrong: Vec<&TokenAnswer> = Method::BOTH.into_iter().filter_map(|by| self.control(by)).collect();
        if wrong.is_empty() {
            // Without a control there are only the words, and they are no proof of a refusal: at a provider that
            // takes the header alone they come with the right secret too.
            return match (answer.names_code(), answer.names_client()) {
                (true, _) => Taken::Yes,
                (_, true) => Taken::NoByItsWords,
                _ => Taken::Unclear,
            };
        }
        if wrong.iter().any(|wrong| wrong.alike(answer) == Some(true)) {
            return match answer.names_client() {
                // Its answers to what stands in the body tell nothing.
                _ if self.header_only() => Taken::Unclear,
                _ if self.tells() => Taken::No,
                true => Taken::NoByItsWords,
                false => Taken::Unclear,
            };
        }
        // What refuses a client in other words than the control was, came by another way.
        let by_the_same_way = !answer.names_client() || wrong.iter().any(|wrong| wrong.names_client());
        match by_the_same_way && wrong.iter().all(|wrong| wrong.alike(answer) == Some(false)) {
            true => Taken::Yes,
            false => Taken::Unclear,
        }
    }

    /// The answer to a surely wrong secret, if two such are answered alike.
    fn control(&self, by: Method) -> Option<&TokenAnswer> {
        let wrong = self.answer(Form::Wrong, by)?;
        let again = self.answer(Form::WrongAgain, by);
        again.is_none_or(|again| wrong.alike(again) == Some(true)).then_some(wrong)
    }

    /// Whether it takes secrets in the header alone: by what it does with the one that is set, by what it says of
    /// a wrong one, or by its own word.
    fn header_only(&self) -> bool {
        let by = |method| self.differs(Form::Presented, method);
        let wrong = |method| self.answer(Form::Wrong, method);
        let other_words = || {
            wrong(Method::Basic)
                .zip(wrong(Method::Post))
                .is_some_and(|(basic, post)| basic.alike(post) == Some(false))
        };
        let methods = self.document().map(|document| document.methods.as_slice()).unwrap_or_default();
        let says = !methods.is_empty() && !methods.iter().any(|it| it == "client_secret_post");
        match (by(Method::Basic), by(Method::Post)) {
            (Some(true), post) => post != Some(true),
            (_, Some(true)) => false,
            _ => says || other_words(),
        }
    }

    /// The method by which other forms of the secret are shown.
    pub fn method(&self) -> Method {
        if self.header_only() { Method::Basic } else { Method::Post }
    }

    /// What was asked and answered about a form, for a person.
    pub fn said_of(&self, form: Form) -> Option<String> {
        let said = self.answers(form)?;
        let control = self.answers(Form::Wrong);
        let control =
            control.map_or_else(String::new, |said| format!(", and {said} to {}", Form::Wrong.words()));
        Some(format!(
            "to a code that nobody gave out the provider's token endpoint says {said} with {}{control}",
            form.words()
        ))
    }

    /// The answers to a form, once where both methods got the same.
    fn answers(&self, form: Form) -> Option<String> {
        let of_form: Vec<&Tried> = self.tried.iter().filter(|tried| tried.form == form).collect();
        match of_form.as_slice() {
            [] => None,
            [first, others @ ..]
                if others.iter().all(|other| words(&other.answer) == words(&first.answer)) =>
            {
                Some(words(&first.answer))
            }
            all => {
                let each = all.iter().map(|tried| format!("{} ({})", words(&tried.answer), tried.by.name()));
                Some(each.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// An answer in words: `401 invalid_client`.
fn words(answer: &Result<TokenAnswer, String>) -> String {
    match answer {
        Err(words) => format!("{}, which tells nothing", shown(words)),
        Ok(answer) => {
            let status = answer.status.map_or_else(String::new, |status| format!("{status} "));
            format!("{status}{}", answer.error.as_deref().map_or("without an error's name".to_owned(), shown))
        }
    }
}

impl Evidence {
    /// Whether the provider takes a form of the secret that is set. What Argo CD presents counts as well: where
    /// that is answered otherwise than a wrong one, the provider does tell.
    pub fn takes(&self, form: Form) -> Taken {
        self.surer(self.provider.says_of(form))
    }

    fn surer(&self, taken: Taken) -> Taken {
        match taken {
            Taken::NoByItsWords if self.argocds_tells() => Taken::No,
            taken => taken,
        }
    }

    /// Another form of the secret that it takes, where it does not take it as Argo CD presents it.
    pub fn takes_instead(&self) -> Option<Form> {
        let others = [Form::AsStored, Form::WithLineBreak, Form::Decoded, Form::Encoded];
        let refused = self.takes(Form::Presented) == Taken::No;
        others.into_iter().find(|form| refused && self.takes(*form) == Taken::Yes)
    }

    /// Whether the provider takes what a server presented.
    pub fn takes_presented(&self, redeemed: &Redeemed) -> Taken {
        self.surer(redeemed.answer().map_or(Taken::Unclear, |answer| self.provider.says_of_argocds(&answer)))
    }

    /// Whether one of Argo CD's own tries was answered otherwise than the control.
    fn argocds_tells(&self) -> bool {
        let control = self.provider.answer(Form::Wrong, Method::Post).is_some();
        let takes = |redeemed: &Redeemed| {
            redeemed.answer().is_some_and(|answer| self.provider.says_of_argocds(&answer) == Taken::Yes)
        };
        control && self.redeemed().any(takes)
    }

    /// All that came of codes that nobody gave out, outside and at each pod.
    pub fn redeemed(&self) -> impl Iterator<Item = &Redeemed> {
        let outside = self.rehearsals().iter().filter_map(|rehearsal| rehearsal.redeemed.as_ref());
        let of_pods = self.pods.iter().flat_map(|pod| &pod.rehearsed);
        outside.chain(of_pods.filter_map(Rehearsed::redeemed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Seen;
    use crate::fixtures::*;

    /// A token endpoint: what it answers to a right secret and to a wrong one, in the header and in the body.
    struct Endpoint {
        right: [&'static str; 2],
        wrong: [&'static str; 2],
    }

    const GRANT: &str = r#"{"error":"invalid_grant","error_description":"Code not valid"}"#;
    const CLIENT: &str = r#"{"error":"invalid_client","error_description":"No such client or secret"}"#;
    const KEYCLOAK: &str = r#"{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}"#;

    const DEX: Endpoint = Endpoint { right: [GRANT, GRANT], wrong: [CLIENT, CLIENT] };
    const OTHER_WORDS: Endpoint = Endpoint { right: [GRANT, GRANT], wrong: [KEYCLOAK, KEYCLOAK] };
    const HEADER_ONLY: Endpoint = Endpoint { right: [GRANT, CLIENT], wrong: [CLIENT, CLIENT] };
    const BODY_ONLY: Endpoint = Endpoint { right: [CLIENT, GRANT], wrong: [CLIENT, CLIENT] };
    const CODE_FIRST: Endpoint = Endpoint { right: [GRANT, GRANT], wrong: [GRANT, GRANT] };

    impl Endpoint {
        fn asked(&self, form: Form, right: bool) -> Vec<Tried> {
            let bodies = if right { self.right } else { self.wrong };
            let answer = |by, body: &str| Tried { form, by, answer: Ok(TokenAnswer::of(400, body)) };
            vec![answer(Method::Basic, bodies[0]), answer(Method::Post, bodies[1])]
        }

        /// What Argo CD hands on: the answer to what stands in the body.
        fn redeemed(&self, right: bool) -> Redeemed {
            let answer = TokenAnswer::of(400, if right { self.right[1] } else { self.wrong[1] });
            let (error, description) = (answer.error.unwrap(), answer.description.unwrap());
            Redeemed::of(500, &format!("failed to get token: oauth2: {error:?} {description:?}"))
        }

        /// An installation whose Secret and whose server hold a right secret, or a wrong one.
        fn seen(&self, set_is_right: Option<bool>, held_is_right: bool) -> Evidence {
            let mut evidence = well();
            evidence.provider.tried = self.asked(Form::Wrong, false);
            evidence.provider.dex = Seen::NotLooked;
            let shown = set_is_right.into_iter().flat_map(|right| self.asked(Form::Presented, right));
            evidence.provider.tried.extend(shown);
            evidence.pods[0].rehearsed = vec![Rehearsed::Redeemed(self.redeemed(held_is_right))];
            outside(&mut evidence).rehearsals = vec![];
            evidence
        }
    }

    #[test]
    fn what_differs_from_the_control_is_taken_whatever_the_words() {
        use Taken::{No, NoByItsWords, Unclear, Yes};
        for (name, endpoint, set, held, of_set, of_held) in [
            ("dex, well", DEX, Some(true), true, Yes, Yes),
            ("dex, stale", DEX, Some(true), false, Yes, No),
            ("dex, the Secret is wrong, the server still right", DEX, Some(false), true, No, Yes),
            ("dex, both wrong", DEX, Some(false), false, NoByItsWords, NoByItsWords),
            ("dex, from outside", DEX, None, false, Unclear, NoByItsWords),
            ("dex, from outside, well", DEX, None, true, Unclear, Yes),
            ("keycloak, well", OTHER_WORDS, Some(true), true, Yes, Yes),
            ("keycloak, stale", OTHER_WORDS, Some(true), false, Yes, No),
            ("keycloak, both wrong", OTHER_WORDS, Some(false), false, NoByItsWords, NoByItsWords),
            ("header only, well", HEADER_ONLY, Some(true), true, Yes, Unclear),
            ("header only, stale", HEADER_ONLY, Some(true), false, Yes, Unclear),
            ("body only, well", BODY_ONLY, Some(true), true, Yes, Yes),
            ("body only, stale", BODY_ONLY, Some(true), false, Yes, No),
            ("looks at the code first", CODE_FIRST, Some(true), true, Unclear, Unclear),
            ("looks at the code first, wrong", CODE_FIRST, Some(false), false, Unclear, Unclear),
        ] {
            let evidence = endpoint.seen(set, held);
            let redeemed = evidence.redeemed().next().unwrap();
            let judged = (evidence.takes(Form::Presented), evidence.takes_presented(redeemed));
            assert_eq!(judged, (of_set, of_held), "{name}");
        }
    }

    #[test]
    fn what_real_providers_answer_tells() {
        for recorded in [
            include_str!("../../../../probe/tests/providers/dex.json"),
            include_str!("../../../../probe/tests/providers/keycloak.json"),
            include_str!("../../../../probe/tests/providers/oidc-provider.json"),
            include_str!("../../../../probe/tests/providers/django-oauth-toolkit.json"),
        ] {
            let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
            let answers = |form, which: &str| {
                [(Method::Basic, "header"), (Method::Post, "body")].map(|(by, place)| {
                    let answer = &recorded["token"][which][place];
                    let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
                    Tried { form, by, answer: Ok(TokenAnswer::of(status, answer["body"].as_str().unwrap())) }
                })
            };
            let said = |which| {
                let mut evidence = well();
                evidence.provider.tried = answers(Form::Wrong, "wrong").to_vec();
                evidence.provider.tried.extend(answers(Form::Presented, which));
                outside(&mut evidence).rehearsals.clear();
                evidence.pods.clear();
                evidence.takes(Form::Presented)
            };
            let provider = &recorded["provider"];
            assert_eq!((said("right"), said("wrong")), (Taken::Yes, Taken::NoByItsWords), "{provider}");
        }
    }

    #[test]
    fn an_answer_that_is_another_each_time_tells_nothing() {
        let answer = |form, words: &str| {
            let body = format!(r#"{{"error":"invalid_request","error_description":"{words}"}}"#);
            [Method::Basic, Method::Post].map(|by| Tried {
                form,
                by,
                answer: Ok(TokenAnswer::of(400, &body)),
            })
        };
        let mut provider = Provider::default();
        provider.tried.extend(answer(Form::Wrong, "alpha failed"));
        provider.tried.extend(answer(Form::Presented, "beta failed"));
        assert_eq!(provider.says_of(Form::Presented), Taken::Yes);
        provider.tried.extend(answer(Form::WrongAgain, "gamma failed"));
        assert_eq!(provider.says_of(Form::Presented), Taken::Unclear);
    }

    #[test]
    fn another_form_counts_only_where_the_presented_one_is_refused() {
        let mut evidence = well();
        evidence.provider.tried.extend(tried(Form::WithLineBreak, &takes()));
        assert_eq!(evidence.takes_instead(), None);
        evidence.provider.tried = presented(&refuses());
        evidence.provider.tried.extend(tried(Form::WithLineBreak, &takes()));
        assert_eq!(evidence.takes_instead(), Some(Form::WithLineBreak));
    }
}
