//! Which words mean which causes. A table, from the particular to the general: of the tiers that a text has words of,
//! only the first counts. Servers' wordings drift between releases, so each is known by the part of it that has
//! stayed the same; and the same words have different causes, which what stands around them tells apart.

use base::shown::shown;
use probe::CauseId::{self, *};
use probe::Certainty;

use super::{Fits, joined, plain::plain};

/// A row: a text has one of the words of each group and none of `never`.
struct Sign {
    all: &'static [&'static [&'static str]],
    never: &'static [&'static str],
    causes: &'static [CauseId],
}

macro_rules! signs {
    ($($([$($word:literal)|+])+ $(not [$($never:literal)|+])? => $($id:ident)+;)+) => {
        &[$(Sign { all: &[$(&[$($word),+]),+], never: &[$($($never),+)?], causes: &[$($id),+] }),+]
    };
}

/// Words that have one cause, whatever stands around them.
const SURE: &[Sign] = signs! {
    ["max number of cookies"] => TooManyCookies;
    ["upstream sent too big header"] => TokenTooLarge;
    ["server.secretkey is missing"] => ServerKeyMissing FirstStart;
    ["message authentication failed"] => ServerKeyChanged;
    ["invalid state in"] => StateMismatch;
    ["unknown app state"] => ServerKeyChanged StateCookie;
    ["data length is less than nonce size" | "named cookie not present"] => StateCookie;
    ["malformed dex configuration" | "invalid dex yaml config" | "invalid dex config"] => DexConfig;
    ["dex is not configured"] => DexConfig ArgocdUrl;
    ["invalid oidc config" | "error unmarshalling oidc config"] => OidcConfig;
    ["sso: false"] ["url: ,"] => FirstStart;
    ["failed to query provider \"\""] => FirstStart OidcConfig;
    ["proxyconnect "] => EgressProxy;
    ["aadsts7000222"] => SecretExpired;
    ["aadsts7000112"] => ClientDisabled;
    ["aadsts7000215"] => SecretMismatch StaleArgocd SecretWhitespace;
    ["aadsts700016"] => ClientId;
    ["aadsts7000218" | "client secret not provided"] ["fata[" | "localhost:8085" | "--sso"] => CliNoClient CliClientType;
    ["aadsts7000218" | "aadsts9002325" | "aadsts9002326" | "aadsts9002327" | "client secret not provided"] => ClientType;
    ["aadsts50011" | "aadsts500112" | "aadsts900971"] => RedirectUri ArgocdUrl;
    ["aadsts70011" | "aadsts650053"] => Scope;
    ["aadsts50105" | "aadsts65001" | "aadsts53003" | "aadsts50076" | "aadsts50020" | "aadsts90094"] => IdpRefused;
    ["aadsts50126"] => Credentials;
    ["config referenced"] ["does not exist in secret" | "key does not exist"] => SecretKeyMissing SecretUnlabelled SecretReference DexReference;
    ["_claim_names" | "_claim_sources" | "hasgroups" | "groups.link" | "groups:src1" | "group overage"] => GroupOverage;
    ["invalid argo claims"] => ClaimShape;
    ["invalid redirecturl"] => ReleaseDefect ArgocdUrl;
    ["standardclaims.aud of type string"] => ReleaseDefect Audience;
    ["unsupported algorithm" | "unexpected signature algorithm" | "unexpected signing method"] => TokenAlgorithm;
    ["unsupported protocol scheme"] ["dex"] => DexTls DexDown;
    ["http request to an https server"] => DexTls;
    ["cannot fetch token: 404" | "refresh-token"] => CliSession;
};

/// Words that say what failed; the first row that fits is the likeliest.
const CLEAR: &[Sign] = signs! {
    // Who stands in front.
    ["illegal base64 data at input byte"] => TooManyCookies StateCookie;
    ["request header or cookie too large" | "request header fields too large" | "header too large" | "status code 431" | "413 request entity"] => CookieTooLarge TooManyCookies;
    ["cloudflare access" | "cloudflareaccess" | "cf-access" | "oauth2-proxy" | "oauth2/start" | "oauth2/sign_in" | "basic auth" | "authorization: basic" | "iap.googleapis" | "pomerium" | "auth proxy" | "authenticating proxy"] => AuthProxy;
    ["invalid character '<'" | "unexpected content-type \"text/html" | "unexpected token <" | "unexpected token '<'"] => AuthProxy Grpc ArgocdUrl;
    ["unexpected content-type" | "content-type \"text/plain" | "grpc: received message larger" | "http/2 connection" | "malformed header: missing http content-type" | "unexpected http status code received from server"] => Grpc AuthProxy;
    // What Dex says of what stands behind it.
    ["attributestatement" | "no attribute with name" | "valid signature element" | "saml response" | "inresponseto" | "in response to" | "unsolicited response"] => SamlResponse IdpRefused;
    ["verify signature:"] not ["id token" | "session"] => SamlResponse IdpRefused;
    ["required groups" | "required orgs" | "is not in any of the" | "not a member of" | "hosted domain" | "unexpected hd claim" | "not in allowed" | "user is not authorized" | "not assigned to"] => IdpRefused NoRights;
    // Tokens.
    ["expected audience"] ["-cli\""] => CliAudience Audience ReleaseDefect;
    ["expected audience" | "invalid audience" | "audience mismatch"] => Audience CliAudience TwoProviders;
    ["token is expired" | "token has expired" | "token used before issued" | "before the nbf" | "not valid yet"] => Clock OldCookie;
    ["issuer did not match" | "did not match the issuer url" | "issuer url mismatch" | "issuer mismatch" | "issued by a different provider" | "different issuer"] => IssuerMismatch ArgocdUrl StaleSessionManager;
    ["x509" | "certificate signed by unknown authority" | "tls: failed to verify"] ["restart" | "after an update" | "after update" | "after upgrade"] not ["git-upload-pack" | "info/refs"] => StaleSessionManager ProviderCa;
    ["x509" | "certificate signed by unknown authority" | "tls: failed to verify" | "self signed certificate" | "self-signed certificate"] not ["git-upload-pack" | "info/refs"] => ProviderCa StaleSessionManager DexTls;
    ["verification failed for all audiences"] => Audience StaleSessionManager TokenAlgorithm;
    ["failed to verify id token signature" | "failed to verify signature" | "failed to verify id token" | "signature is invalid"] => StaleSessionManager TwoProviders TokenAlgorithm CodeReused;
    // The road to the provider.
    ["server gave http response to https client" | "http response to https client" | "does not look like a tls handshake" | "wrong version number"] ["dex" | "5556"] => DexTls;
    ["server gave http response to https client" | "http response to https client" | "does not look like a tls handshake" | "wrong version number"] => ProviderUnreachable IssuerMismatch DexTls;
    ["argocd-dex-server:5556/"] ["connection refused" | "i/o timeout"] not ["/api/dex"] => ReleaseDefect DexDown ProviderUnreachable;
    [":5556"] ["connection refused" | "i/o timeout" | "no route to host"] not ["/api/dex" | "argocd-dex-server:5556/"] => DexDown ProviderUnreachable;
    ["lookup argocd-dex-server"] ["no such host"] => DexDown StaleSessionManager TwoProviders;
    ["shared/argocd-dex"] ["permission denied" | "no such file" | "exec format"] => DexDown;
    ["ldap result code 200" | "ldap: failed to connect"] => ProviderUnreachable DexConfig;
    ["unknown connector type" | "error parse config file" | "failed to open connector" | "failed to initialize server" | "failed to initialize storage"] => DexDown DexConfig;
    ["dex"] ["panic" | "crashloop" | "crash loop" | "not running" | "is not ready" | "oomkilled" | "permission denied to list" | "forbidden: user \"system:serviceaccount"] => DexDown DexConfig;
    ["⟦a slash twice in a path⟧"] => ArgocdUrl;
    ["⟦one part twice in a path⟧"] => RedirectLoop ArgocdUrl;
    ["httpss://" | "http://http" | "https://http" | "htps://" | "htp://"] => ArgocdUrl;
    ["failed to query provider" | "could not query provider" | "unable to query provider"] ["403 forbidden" | "401 unauthorized" | "302 found"] => AuthProxy EgressProxy ProviderUnreachable;
    ["failed to query provider"] ["no such host" | "server misbehaving"] not ["/api/dex"] => ProviderUnreachable EgressProxy;
    ["failed to query provider"] ["/api/dex"] ["connection refused" | "502 bad gateway" | "503 service" | "connection reset" | "no such host" | "no endpoints"] => DexDown DexTls ProviderUnreachable;
    ["failed to query provider"] ["/api/dex"] ["404 not found" | "404 page"] => ArgocdUrl DexDown DexConfig;
    ["failed to query provider"] ["/api/dex"] ["deadline exceeded" | "i/o timeout" | "client.timeout"] => DexDown EgressProxy ProviderUnreachable;
    ["failed to query provider"] ["/api/dex"] ["eof"] => DexTls DexDown;
    ["failed to query provider"] ["deadline exceeded" | "i/o timeout" | "client.timeout"] => ProviderUnreachable EgressProxy;
    ["failed to query provider"] ["404 not found" | "404 page"] => IssuerMismatch ProviderUnreachable ArgocdUrl;
    ["failed to query provider"] ["connection refused" | "502 bad gateway" | "503 service" | "504 gateway" | "connection reset" | "unsupported protocol" | "network is unreachable" | "no route to host" | "eof"] => ProviderUnreachable EgressProxy;
    ["502 bad gateway"] ["callback" | "after login"] => TokenTooLarge ProviderUnreachable Redis;
    ["502 bad gateway" | "503 service temporarily unavailable" | "504 gateway time"] ["nginx" | "<center>" | "openresty" | "traefik" | "envoy" | "haproxy" | "cloudflare"] not ["failed to query provider"] => ProviderUnreachable TokenTooLarge DexDown;
    // The client and its secret.
    ["client_id=$" | "clientid=$" | "client_id=%24"] => SecretReference;
    ["fata[" | "localhost:8085" | "--sso" | "argocd cli" | "the cli"] ["redirect_uri" | "redirect uri"] ["unregistered" | "mismatch" | "not match" | "invalid" | "not registered" | "not allowed"] not ["invalid_client" | "unauthorized_client"] => CliRedirectUri RedirectUri;
    ["fata[" | "localhost:8085" | "--sso" | "argocd cli" | "the cli" | "code_challenge"] ["invalid_client" | "unauthorized_client" | "invalid client secret" | "client authentication failed"] => CliNoClient CliClientType ClientType;
    ["localhost:8085" | "--sso" | "argocd cli" | "the cli"] ["invalid client_id" | "client not found" | "unknown client"] => CliClientId ClientId;
    ["no client authentication included"] not ["failed to get token"] => CliClientType ClientType CliNoClient;
    ["does not allow this method"] => ClientType CliClientType;
    ["pkce"] ["invalid_client" | "unauthorized_client" | "client secret" | "client_secret"] => ClientType CliClientType;
    ["invalid client_id" | "client not found" | "unknown client" | "invalid_client_id" | "client_id is not valid" | "application not found"] => ClientId SecretReference;
    ["secret"] ["expired"] ["invalid_client" | "client secret"] => SecretExpired SecretMismatch;
    ["failed to authenticate"] ["invalid_client" | "unauthorized_client" | "invalid client credentials" | "missing access_token" | "incorrect_client_credentials" | "cannot fetch token: 401"] => SecretMismatch DexReference SecretExpired;
    ["cannot fetch token"] ["invalid_client" | "unauthorized_client" | "invalid client"] not ["failed to get token"] => StaleArgocd CliNoClient SecretMismatch CliClientType;
    ["invalid_client" | "unauthorized_client" | "invalid client credentials"] ["sometimes" | "intermittent" | "now and then" | "randomly" | "every other" | "from time to time" | "oldest instance" | "replicas"] => StaleReplica StaleArgocd SecretMismatch;
    ["invalid_client" | "unauthorized_client" | "invalid client credentials" | "invalid client secret"] ["newline" | "line break" | "base64" | "trailing"] => SecretWhitespace SecretMismatch StaleArgocd;
    ["invalid_client" | "unauthorized_client" | "invalid client credentials" | "invalid client secret" | "invalid client_secret" | "client authentication failed"] => StaleArgocd SecretMismatch SecretWhitespace SecretKeyMissing SecretUnlabelled SecretReference;
    ["failed to get token"] ["access_denied" | "401 unauthorized"] => StaleArgocd SecretMismatch SecretWhitespace SecretKeyMissing SecretUnlabelled SecretReference;
    ["invalid_grant" | "requested resource does not exist" | "bad_verification_code"] => CodeReused ServerKeyChanged;
    // Addresses.
    ["invalid redirect url"] ["return_url=/ " | "return_url=/&" | "return_url=/\""] => ReleaseDefect ArgocdUrl;
    ["invalid redirect url"] => ArgocdUrl StateCookie ReleaseDefect;
    ["redirect_uri_mismatch" | "unregistered redirect_uri" | "invalid parameter: redirect_uri" | "invalid redirect uri" | "invalid_redirect_uri" | "redirect uri included is not valid" | "redirect uri is not"] => RedirectUri ArgocdUrl DexClient;
    ["redirect_uri" | "redirect uri" | "callback url"] ["mismatch" | "not match" | "invalid" | "not registered" | "not whitelisted" | "not allowed" | "unregistered"] => RedirectUri ArgocdUrl DexClient;
    ["failed to verify app state"] ["eof" | "connection refused" | "i/o timeout"] => Redis StateCookie;
    // The user.
    ["invalid_scope" | "unknown scope" | "scope is not" | "scope is invalid" | "unsupported scope"] => Scope;
    ["access_denied" | "access denied"] => IdpRefused Scope;
    ["failed to authenticate"] ["permission denied" | "forbidden" | "not authorized"] => IdpRefused;
    // A code of Entra's that stands in no row of its own.
    ["aadsts"] => IdpRefused;
    // Argo CD's own words, with the resource that was asked for.
    ["permission denied: applications" | "permission denied: projects" | "permission denied: clusters" | "permission denied: repositories" | "permission denied: logs" | "permission denied: exec" | "permission denied: accounts"] => NoRights ClaimShape GroupOverage;
    ["permission denied"] ["\"code\":7" | "code = permissiondenied"] => NoRights ClaimShape GroupOverage;
    ["permission denied"] ["dex" | "openshift"] ["login" | "log in"] => IdpRefused NoRights DexDown;
    ["invalid email address and password" | "invalid username and password" | "invalid username or password" | "invalid user credentials" | "invalid_user_password" | "bad password"] not ["remote: invalid" | "repository"] => Credentials DexReference;
    ["ldap result code 49" | "initial bind for user" | "ldap: initial bind"] => DexReference Credentials;
    ["failed to get token" | "failed to authenticate"] ["x509" | "no such host" | "connection refused" | "deadline exceeded" | "i/o timeout" | "client.timeout" | "handshake timeout" | "no route to host" | "network is unreachable"] => ProviderUnreachable EgressProxy ProviderCa;
};

/// Words that come with many causes; asked last, and only where the text is about a login at all.
const VAGUE: &[Sign] = signs! {
    // Addresses.
    ["global.domain" | "server.config.url" | "spec.server.host" | "additionalurls" | "not ours" | "wrong host" | "wrong url" | "wrong domain" | "argocd-cm url" | "url in argocd-cm"] => ArgocdUrl RedirectUri;
    // Redirects without end, and cookies.
    ["cookies are cleared" | "clearing cookies" | "clear cookies" | "clear the cookies" | "delete cookies" | "deleting cookies" | "removing cookies" | "cookies of the site" | "incognito" | "private window" | "browser cache"] => OldCookie StateCookie StaleSessionManager;
    ["rootpath" | "basehref" | "rewrite-target" | "sub path" | "subpath"] => RedirectLoop ArgocdUrl;
    ["too_many_redirects" | "too many redirects" | "redirected you too many times" | "redirect loop" | "redirects in a loop" | "redirecting in a loop" | "infinite redirect" | "infinite loop" | "redirect without end" | "in a loop"] not ["login page" | "replica"] => RedirectLoop ArgocdUrl OldCookie;
    ["loop" | "keeps redirecting" | "redirected back" | "redirects back"] ["login page" | "login screen" | "main page"] not ["replica"] => StaleSessionManager RedirectLoop OldCookie;
    ["session timeout" | "after logout" | "after logging out" | "session expire"] => OldCookie StaleSessionManager ArgocdUrl;
    ["cookie too long" | "4093" | "many cookies" | "chunked cookie" | "split cookies"] => TooManyCookies CookieTooLarge TokenTooLarge;
    ["many groups" | "many ad groups" | "many ldap groups" | "too many groups" | "all groups" | "200 groups" | "150 groups"] => TooManyCookies CookieTooLarge TokenTooLarge GroupOverage;
    ["failed with status code 400" | "status code 400" | "400 bad request"] ["service/" | "cookie" | "nginx" | "grpc" | "after login"] => CookieTooLarge Grpc TooManyCookies;
    // Groups and rights.
    ["serviceaccountfilepath" | "adminemail"] ["type: oidc"] => DexConfig NoRights;
    ["overage" | "too many groups"] => GroupOverage NoRights;
    ["policy.csv" | "policy.default" | "argocd-rbac-cm" | "rbac" | "role:admin" | "role:readonly" | "role:org-admin" | "permission denied: " | "no applications" | "can see no" | "no permissions" | "read only" | "readonly" | "cluster-admins"] => NoRights ClaimShape GroupOverage;
    ["groups" | "claims"] ["missing" | "no groups" | "not in the" | "empty" | "shows no" | "without groups" | "userinfo" | "user info" | "as a string" | "not return" | "n't return" | "not provid" | "not pass" | "not includ" | "not sent" | "ignored" | "not work"] => NoRights ClaimShape GroupOverage Scope;
    // Several of them.
    ["replica" | "ha mode" | "scale to 1" | "scaled" | "high availability"] => ServerKeyChanged StaleReplica CodeReused;
    ["service account token" | "openshift"] ["restart" | "deleted" | "recreated"] => StaleArgocd DexReference DexDown;
    ["dex"] ["restart" | "dex pod is deleted" | "pod is deleted"] => StaleSessionManager SecretMismatch DexDown;
    // No way in.
    ["oidc.config"] ["no button" | "no sso" | "not show" | "button" | "indent" | "not nested" | "yaml"] => OidcConfig ArgocdUrl FirstStart;
    ["dex.config"] ["no button" | "no sso" | "not show" | "button" | "indent" | "not nested" | "yaml" | "connectors"] => DexConfig DexConnector ArgocdUrl;
    ["no sso button" | "no login via" | "no log in via" | "sso button" | "button is missing" | "missing button" | "no button" | "button does not"] => OidcConfig ArgocdUrl DexConfig DexConnector;
    ["error converting yaml to json" | "did not find expected key" | "mapping values are not allowed" | "validationerror(configmap.data"] => OidcConfig DexConfig;
    ["redirect"] ["wrong" | "instead of https" | "localhost" | "internal address" | "old domain" | "old host" | "http instead"] => ArgocdUrl RedirectUri RedirectLoop;
    ["clicking log in" | "click on log in" | "does nothing" | "nothing happens"] => ArgocdUrl FirstStart OidcConfig;
    ["404 page not found" | "404 not found"] ["auth/login" | "api/dex" | "sso" | "button" | "log in via"] => FirstStart OidcConfig ArgocdUrl DexConfig;
    // The road to the provider, with no word of why.
    ["failed to query provider"] ["/api/dex"] => DexTls DexDown ArgocdUrl AuthProxy;
    ["failed to query provider" | "query provider"] => ProviderUnreachable ProviderCa EgressProxy IssuerMismatch;
    ["server.insecure" | "307" | "ssl-passthrough" | "backend-protocol" | "force-ssl-redirect"] => RedirectLoop Grpc;
    ["unary call with code unimplemented" | "grpc-web" | "grpcweb"] => Grpc CookieTooLarge AuthProxy;
    ["no_proxy" | "https_proxy" | "http_proxy"] => EgressProxy ProviderUnreachable;
    ["redis" | ":6379"] => Redis;
    ["err=eof"] => Redis TooManyCookies ProviderUnreachable;
    ["auth/callback" | "failed to get token" | "callback"] ["eof" | "connection reset" | "broken pipe"] => Redis ProviderUnreachable;
    // A token that is not taken, with no word of why.
    ["until restart" | "after a restart" | "restarting argocd" | "restart of argocd" | "restarted argocd" | "needs a restart" | "restart helps" | "restart fixes" | "was restarted"] => StaleArgocd StaleSessionManager FirstStart;
    ["login page" | "loops back" | "back to login" | "log in again" | "login screen" | "no session information" | "invalid session" | "failed to verify the token" | "failed to verify session token" | "failed to verify token" | "unauthenticated"] => StaleSessionManager TwoProviders Audience ServerKeyChanged OldCookie;
    ["state"] ["cookie"] => StateCookie StateMismatch;
};

/// What a text about a login has at least one of.
const ABOUT: [&str; 12] =
    ["argo", "dex", "oidc", "oauth", "sso", "saml", "ldap", "login", "log in", "auth", "token", "provider"];

/// The causes that fit a text, the likeliest first.
pub fn read(text: &str) -> Vec<Fits> {
    // What `/api/v1/session/userinfo` answers to nobody.
    if text == "{}" {
        let seen = "`{}` is what /api/v1/session/userinfo answers whose token is not taken";
        let causes = [StaleSessionManager, TwoProviders, Audience, Clock];
        return causes.into_iter().map(|id| Fits::new(id, Certainty::Possible, seen)).collect();
    }
    let mut text = plain(text);
    text.push_str(&marks(&text));
    let vague = ABOUT.iter().any(|word| text.contains(word));
    let tiers = [(SURE, true), (CLEAR, true), (VAGUE, vague)];
    for (tier, _) in tiers.into_iter().filter(|(_, asked)| *asked) {
        let fitting: Vec<_> = tier.iter().filter_map(|sign| Some((sign, found(sign, &text)?))).collect();
        if !fitting.is_empty() {
            return ranked(&fitting, std::ptr::eq(tier, VAGUE), &text);
        }
    }
    vec![]
}

/// The words of a sign that a text has, if it has all that it needs.
fn found(sign: &Sign, text: &str) -> Option<String> {
    if sign.never.iter().any(|word| text.contains(word)) {
        return None;
    }
    let words = sign.all.iter().map(|any| any.iter().find(|word| text.contains(**word)));
    let words: Option<Vec<&str>> = words.map(|word| word.copied()).collect();
    let said = |word: &str| match word.strip_prefix('⟦') {
        Some(mark) => mark.trim_end_matches('⟧').to_owned(),
        None => format!("`{}`", word.trim()),
    };
    words.map(|words| format!("it has {}", words.into_iter().map(said).collect::<Vec<_>>().join(" and ")))
}

/// What addresses in a text show, and no word of it does.
fn marks(text: &str) -> String {
    let mut marks = String::new();
    for address in text.split("://").skip(1) {
        let end = address.find(|c: char| c.is_whitespace() || "\"'<>?".contains(c)).unwrap_or(address.len());
        let mut parts = address[..end].split('/').skip(1).peekable();
        let mut last = "";
        while let Some(part) = parts.next() {
            if part.is_empty() && parts.peek().is_some() {
                marks.push_str(" ⟦a slash twice in a path⟧");
            }
            if !part.is_empty() && part == last {
                marks.push_str(" ⟦one part twice in a path⟧");
            }
            last = part;
        }
        if marks.len() > 200 {
            break;
        }
    }
    marks
}

/// The causes of signs in their order. One that stands alone is likely; of several all are possible.
fn ranked(fitting: &[(&Sign, String)], vague: bool, text: &str) -> Vec<Fits> {
    // What each sign says first comes before what each says second.
    let most = fitting.iter().map(|(sign, _)| sign.causes.len()).max().unwrap_or_default();
    let in_turn = (0..most)
        .flat_map(|at| fitting.iter().filter_map(move |(sign, seen)| Some((*sign.causes.get(at)?, seen))));
    let mut causes = joined(in_turn.map(|(id, seen)| Fits::new(id, Certainty::Possible, seen.as_str())));
    causes.truncate(MOST);
    if let ([only], false) = (causes.as_mut_slice(), vague) {
        only.confidence = Certainty::Likely;
    }
    if let Some(names) = issuers(text)
        && let Some(first) = causes.iter_mut().find(|cause| cause.id == IssuerMismatch)
    {
        first.evidence.push(names);
    }
    causes
}

/// The most causes that are named for one text.
const MOST: usize = 6;

/// Both names of an issuer, out of the message that has them.
fn issuers(text: &str) -> Option<String> {
    let quoted = |before: &str| {
        let rest = &text[text.find(before)? + before.len()..];
        let name = rest.get(..rest.find('"')?)?.parse::<url::Url>().ok().filter(url::Url::has_host)?;
        let plain = name.username().is_empty() && name.password().is_none() && name.query().is_none();
        (plain && name.as_str().len() < 200).then_some(name)
    };
    let (expected, got) = (quoted("expected \"")?, quoted("got \"")?);
    let differs = [
        ("scheme", expected.scheme() != got.scheme()),
        ("host", expected.host_str() != got.host_str()),
        ("port", expected.port() != got.port()),
        ("path", expected.path() != got.path()),
    ];
    let differs = differs.into_iter().filter(|(_, differs)| *differs);
    let differs: Vec<String> = differs.map(|(part, _)| format!("the {part}")).collect();
    let in_what = if differs.is_empty() { "a slash or a letter" } else { &differs.join(" and ") };
    Some(format!(
        "the settings name {} and the provider calls itself {}: they differ in {in_what}",
        shown(expected.as_str()),
        shown(got.as_str())
    ))
}
