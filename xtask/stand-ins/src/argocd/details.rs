//! The small things that argocd-server words or does differently from release to
//! release. What it does when settings change is another matter: see
//! [`super::run`].
//!
//! Each was read from argo-cd's source at the tags on both sides of the change.

use super::token_cookie::MaxCookies;
use releases::Release;

/// In which order settings are read, and what an incomplete argocd-secret leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOrder {
    /// Up to v3.2.6 and in v3.3.0: argocd-cm, then argocd-secret.
    ConfigMapFirst,
    /// v3.2.7 – v3.2.9, v3.3.1 – v3.3.7 and the first candidates of v3.4.0:
    /// argocd-secret; if something is missing there, argocd-cm is not read at all.
    SecretFirstStops,
    /// From v3.2.10, v3.3.8 and v3.4.0-rc7: argocd-secret, then argocd-cm whatever is
    /// missing.
    SecretFirst,
}

/// Where the state of a login is kept between `/auth/login` and `/auth/callback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateKept {
    /// Up to v2.2: in the server's cache.
    Cache,
    /// v2.3 – v3.0: in an encrypted cookie, `state:return URL`.
    Cookie,
    /// From v3.1: the same with a PKCE verifier, on lines of their own.
    CookieWithVerifier,
}

/// Whose settings say that groups come from the provider's userinfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserInfoBy {
    /// Up to v2.9: they never do.
    Nobody,
    /// v2.10 – v3.2.1: the server's, as they are now.
    Server,
    /// From v3.2.2: those that the client app was made with.
    ClientApp,
}

/// What a release says and does. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Details {
    /// The log is JSON unless asked otherwise.
    pub(super) json_log: bool,
    /// How the sentence about an unreachable provider begins.
    pub(super) failed_to_query: &'static str,
    /// A reference that leads nowhere is named in the log.
    pub(super) names_missing_keys: bool,
    /// `$` references count in every string of `oidc.config`, not only in
    /// `clientID` and `clientSecret`.
    pub(super) resolves_every_string: bool,
    /// `$secret:key` names keys of other Secrets than argocd-secret.
    pub(super) other_secrets: bool,
    pub(super) read_order: ReadOrder,
    /// `oidc.config` is resolved once before the Secrets are read, which leaves a
    /// line in the log about a key that is there.
    pub(super) resolves_too_early: bool,
    /// Only objects that carry the part-of label are worth a look when they change.
    pub(super) only_labelled_notify: bool,
    pub(super) state: StateKept,
    /// The return URL in the cookie is checked again.
    pub(super) checks_returned_url: bool,
    /// Why a token is not good stays in the log.
    pub(super) hides_token_errors: bool,
    /// Built with go-oidc 3.17 or later: the signature of a token is checked before
    /// anything in it, and a wrong issuer is said in other words.
    pub(super) newer_go_oidc: bool,
    /// `domainHint` is sent to the provider.
    pub(super) sends_domain_hint: bool,
    /// Pages say who may frame them.
    pub(super) has_security_policy: bool,
    /// Token errors show the provider's error code, not its whole answer.
    pub(super) shows_error_code: bool,
    /// `/healthz` knows whether the server has started and is ending.
    pub(super) knows_availability: bool,
    /// `allowedAudiences` and what belongs to it exist.
    pub(super) allowed_audiences: bool,
    pub(super) user_info: UserInfoBy,
    /// The Dex inside is asked for who the user is to its connector (`federated:id`).
    pub(super) asks_dex_for_connector: bool,
    /// `userInfoBaseURL` exists.
    pub(super) user_info_base_url: bool,
    /// `azure.useWorkloadIdentity` exists.
    pub(super) workload_identity: bool,
    /// Tokens are renewed before they end (`refreshTokenThreshold`).
    pub(super) renews_tokens: bool,
    /// A provider's token can be revoked: by its `jti`, or by its `at_hash`, since Dex's
    /// have no `jti`.
    pub(super) revokes_provider_tokens: bool,
    /// Built with Go 1.26 or later, whose router says 307 to the clean path, not 301.
    pub(super) go_1_26: bool,
    /// `additionalUrls` exist.
    pub(super) additional_urls: bool,
    /// How many cookies a token may need unless the environment sets it.
    pub(super) max_cookies: MaxCookies,
    /// API requests that are not GETs have to be JSON.
    pub(super) enforces_content_type: bool,
    /// API answers and pages may be compressed, so they vary with what is accepted.
    pub(super) varies_encoding: bool,
    /// Errors of `/auth/logout` are told not to be sniffed, as all others are.
    pub(super) logout_says_nosniff: bool,
    /// `/api/v1/settings` names the tracking method.
    pub(super) shows_tracking_method: bool,
    /// `/api/v1/settings` says whether a sync may replace.
    pub(super) shows_replace: bool,
}

impl Details {
    pub(super) fn of(release: &Release) -> Self {
        let from = |major, minor, patch| release.is_at_least(major, minor, patch);
        // Fixed on several branches at once.
        let names_missing_keys = match release.numbers() {
            (3, 3, patch) => patch < 12,
            (3, 4, patch) => patch < 4,
            _ => !from(3, 5, 0),
        };
        Self {
            json_log: from(3, 0, 0),
            failed_to_query: if from(3, 1, 0) { "failed" } else { "Failed" },
            names_missing_keys,
            resolves_every_string: from(2, 8, 0),
            other_secrets: from(2, 1, 0),
            read_order: read_order(release),
            resolves_too_early: release.numbers() == (3, 3, 0),
            only_labelled_notify: from(3, 5, 0),
            state: if from(3, 1, 0) {
                StateKept::CookieWithVerifier
            } else if from(2, 3, 0) {
                StateKept::Cookie
            } else {
                StateKept::Cache
            },
            checks_returned_url: from(2, 5, 0),
            hides_token_errors: from(2, 6, 0),
            newer_go_oidc: from(3, 4, 0),
            sends_domain_hint: from(3, 4, 0),
            has_security_policy: from(2, 4, 0),
            shows_error_code: from(2, 8, 0),
            knows_availability: from(2, 14, 0),
            allowed_audiences: release.knows_allowed_audiences(),
            user_info: if from(3, 2, 2) {
                UserInfoBy::ClientApp
            } else if from(2, 10, 0) {
                UserInfoBy::Server
            } else {
                UserInfoBy::Nobody
            },
            asks_dex_for_connector: from(3, 0, 0),
            user_info_base_url: from(3, 5, 0),
            workload_identity: from(3, 0, 0),
            renews_tokens: from(3, 3, 0),
            revokes_provider_tokens: from(3, 4, 0),
            go_1_26: from(3, 3, 9),
            additional_urls: from(2, 14, 0),
            max_cookies: if from(2, 8, 2) {
                MaxCookies { number: 20, highest: Some(usize::MAX) }
            } else if from(2, 2, 0) {
                MaxCookies { number: 10, highest: Some(30) }
            } else {
                MaxCookies { number: 5, highest: None }
            },
            enforces_content_type: from(2, 10, 0),
            varies_encoding: from(2, 8, 0),
            logout_says_nosniff: from(3, 4, 0),
            shows_tracking_method: from(3, 0, 0),
            shows_replace: from(3, 3, 0),
        }
    }
}

/// The order changed three times, on each branch at its own release.
fn read_order(release: &Release) -> ReadOrder {
    let candidates_that_stop = Release::parse("v3.4.0-rc7").is_ok_and(|fixed| *release < fixed);
    match release.numbers() {
        (3, 2, 7..=9) | (3, 3, 1..=7) => ReadOrder::SecretFirstStops,
        (3, 4, 0) if candidates_that_stop => ReadOrder::SecretFirstStops,
        (3, 2, 10..) | (3, 3, 8..) => ReadOrder::SecretFirst,
        (major, minor, _) if (major, minor) >= (3, 4) => ReadOrder::SecretFirst,
        _ => ReadOrder::ConfigMapFirst,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(release: &str) -> Details {
        Details::of(&Release::parse(release).unwrap())
    }

    #[test]
    fn wording_changes_at_its_edges() {
        for (release, word) in
            [("v2.12.1", "Failed"), ("v3.0.23", "Failed"), ("v3.1.0", "failed"), ("v3.5.1", "failed")]
        {
            assert_eq!(details(release).failed_to_query, word, "{release}");
        }
        for (release, named) in [
            ("v3.2.12", true),
            ("v3.3.11", true),
            ("v3.3.12", false),
            ("v3.4.3", true),
            ("v3.4.4", false),
            ("v3.5.0", false),
        ] {
            assert_eq!(details(release).names_missing_keys, named, "{release}");
        }
    }

    #[test]
    fn settings_are_read_in_three_orders() {
        for (release, order) in [
            ("v2.2.16", ReadOrder::ConfigMapFirst),
            ("v3.1.16", ReadOrder::ConfigMapFirst),
            ("v3.2.6", ReadOrder::ConfigMapFirst),
            ("v3.2.7", ReadOrder::SecretFirstStops),
            ("v3.2.9", ReadOrder::SecretFirstStops),
            ("v3.2.10", ReadOrder::SecretFirst),
            ("v3.3.0", ReadOrder::ConfigMapFirst),
            ("v3.3.1", ReadOrder::SecretFirstStops),
            ("v3.3.7", ReadOrder::SecretFirstStops),
            ("v3.3.8", ReadOrder::SecretFirst),
            ("v3.4.0-rc6", ReadOrder::SecretFirstStops),
            ("v3.4.0-rc7", ReadOrder::SecretFirst),
            ("v3.4.0", ReadOrder::SecretFirst),
            ("v3.5.1", ReadOrder::SecretFirst),
        ] {
            assert_eq!(details(release).read_order, order, "{release}");
            // What follows from it is told elsewhere, to those who ask.
            let loses = Release::parse(release).unwrap().first_start_loses_sso();
            assert_eq!(loses, order == ReadOrder::SecretFirstStops, "{release}");
        }
        assert!(details("v3.3.0").resolves_too_early);
        assert!(!details("v3.3.1").resolves_too_early);
    }

    #[test]
    fn state_moves_from_the_cache_into_a_cookie() {
        assert_eq!(details("v2.2.16").state, StateKept::Cache);
        assert_eq!(details("v2.3.0").state, StateKept::Cookie);
        assert_eq!(details("v3.0.23").state, StateKept::Cookie);
        assert_eq!(details("v3.1.0").state, StateKept::CookieWithVerifier);
    }
}
