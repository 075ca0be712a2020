//! Evidence as it would be read, for tests: an installation that is well, and how to make
//! it ill.

use jiff::Timestamp;
use probe::rehearsal::{Asked, Redeemed};
use probe::{Cause, Failure, FailureGroup, Rehearsal, Step, TokenAnswer, User, Verdict};
use serde_json::json;

use super::evidence::{
    Bundled, DeploymentSeen, DexConfig, DexSeen, Discovery, Document, Evidence, Form, LogSeen, Logins,
    Method, Outside, PodSeen, Provider, Public, Rbac, Rehearsed, Rule, SecretSeen, Seen, Serving, Settings,
    Tried, Way,
};
use super::hidden::{Fingerprints, Hidden};

pub const SECRET: &str = "the-client-secret";
pub const CONFIG: &str = "issuer: http://dex.host\nclientID: argo-cd\nclientSecret: $argocd-oidc:clientSecret\nrequestedScopes: [openid, email]\n";

pub fn time(text: &str) -> Timestamp {
    format!("2026-01-01T{text}Z").parse().unwrap()
}

pub fn secret(name: &str, key: &str, value: &str, written: &str) -> SecretSeen {
    let object = json!({
        "metadata": {
            "name": name, "namespace": "argocd", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/part-of": "argocd"},
            "managedFields": [{"manager": "m", "time": format!("2026-01-01T{written}Z"),
                               "fieldsV1": {"f:data": {format!("f:{key}"): {}}}}],
        },
        "data": {key: String::from_utf8(Hidden::new(value).encoded().reveal().to_vec()).unwrap()},
    });
    SecretSeen::of(&serde_json::from_value(object).unwrap())
}

pub fn settings(url: &str, oidc: &str) -> Settings {
    let map = json!({"metadata": {}, "data": {"url": url, "oidc.config": oidc}});
    Settings::of(&serde_json::from_value(map).unwrap())
}

pub fn pod(name: &str, started: &str, redeemed: Option<Redeemed>) -> PodSeen {
    PodSeen {
        name: name.into(),
        started: Some(time(started)),
        ready: true,
        log: Some(LogSeen {
            client_app: Some(time(started)),
            serving: Some(Serving { at: time(started), without_url: false, without_sso: false }),
            servings: 1,
            ..LogSeen::default()
        }),
        rehearsed: redeemed.map(Rehearsed::Redeemed).into_iter().collect(),
        ..PodSeen::default()
    }
}

pub fn rehearsal(form: Result<(), Failure>, redeemed: Redeemed) -> Rehearsal {
    let asked = Asked {
        provider: "http://dex.host/auth".parse().unwrap(),
        client_id: "argo-cd".into(),
        redirect_uri: "http://argocd.host/auth/callback".into(),
        scopes: vec!["openid".into(), "email".into()],
    };
    Rehearsal { form, asked: Some(asked), redeemed: Some(redeemed), exchanges: vec![] }
}

pub fn fails(step: Step, cause: Cause) -> Failure {
    let status = if cause == Cause::FrontWithoutBackend { 502 } else { 500 };
    Failure::new(step, Some(status), "the server's words", cause)
}

/// What the endpoint answers to a form of the secret, whichever way it is shown.
pub fn tried(form: Form, answer: &Answer) -> Vec<Tried> {
    [Method::Basic, Method::Post].map(|by| Tried { form, by, answer: answer.clone() }).to_vec()
}

/// The same of the secret that is set, beside a control that is refused as Dex does it.
pub fn presented(answer: &Answer) -> Vec<Tried> {
    [tried(Form::Presented, answer), tried(Form::Wrong, &refuses())].concat()
}

/// What a token endpoint answers, or why there is nothing to compare.
pub type Answer = Result<TokenAnswer, String>;

pub fn takes() -> Answer {
    Ok(TokenAnswer::of(400, r#"{"error":"invalid_grant"}"#))
}

pub fn refuses() -> Answer {
    Ok(TokenAnswer::of(
        401,
        r#"{"error":"invalid_client","error_description":"Invalid client credentials."}"#,
    ))
}

fn redeemed(words: &str) -> Redeemed {
    Redeemed::of(500, &format!("failed to get token: oauth2: {words}"))
}

/// What comes of a code that nobody gave out where the provider takes the secret.
pub fn taken() -> Redeemed {
    redeemed(r#""invalid_grant" "Invalid or expired code parameter.""#)
}

/// And where it does not.
pub fn not_taken() -> Redeemed {
    redeemed(r#""invalid_client" "Invalid client credentials.""#)
}

/// An installation that is well: v3.3.6, one replica, started after its Secret was written.
pub fn well() -> Evidence {
    let mut evidence = Evidence::none("argocd", "kubectl", Fingerprints::fixed());
    evidence.release = Some("v3.3.6".parse().unwrap());
    evidence.settings = Seen::There(settings("http://argocd.host", CONFIG));
    evidence.insecure = Some(true);
    evidence.rbac = Seen::There(Rbac {
        rules: vec![member("admin@example.com", "role:admin")],
        scopes: vec!["email".into()],
        ..Rbac::default()
    });
    evidence.argocd_secret = Seen::There(secret("argocd-secret", "server.secretkey", "key", "00:00:01"));
    evidence.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "00:00:02"));
    evidence.current = Some(Hidden::new(SECRET));
    evidence.client_id = "argo-cd".into();
    evidence.server = Seen::There(DeploymentSeen {
        namespace: "argocd".into(),
        name: "argocd-server".into(),
        wanted: 1,
        ready: 1,
        image: "quay.io/argoproj/argocd:v3.3.6".into(),
        ..DeploymentSeen::default()
    });
    evidence.pods = vec![pod("argocd-server-a", "00:01:00", Some(taken()))];
    evidence.hosts = Seen::There(vec!["argocd.host".into()]);
    evidence.provider = Provider {
        issuer: "http://dex.host".into(),
        way: Way::Direct,
        discovery: Discovery::Document(Document {
            issuer: "http://dex.host".into(),
            authorization_endpoint: "http://dex.host/auth".into(),
            token_endpoint: "http://dex.host/token".into(),
            keys: "http://dex.host/keys".into(),
            scopes: vec!["openid".into(), "email".into()],
            methods: vec![],
        }),
        tried: presented(&takes()),
        ..Provider::default()
    };
    evidence.outside = Some(Outside {
        address: "http://argocd.host/".parse().unwrap(),
        given: true,
        public: Seen::There(Public {
            url: "http://argocd.host".into(),
            issuer: Some("http://dex.host".into()),
            client_id: "argo-cd".into(),
            cli_client_id: String::new(),
        }),
        rehearsals: vec![rehearsal(Ok(()), taken())],
        button: Some(Ok(())),
        logins: None,
        ahead: Some(0),
    });
    evidence
}

pub fn outside(evidence: &mut Evidence) -> &mut Outside {
    evidence.outside.as_mut().unwrap()
}

/// What Argo CD presents is refused: outside and at each pod.
pub fn refused(evidence: &mut Evidence) {
    outside(evidence).rehearsals = vec![rehearsal(Ok(()), not_taken())];
    for pod in &mut evidence.pods {
        pod.rehearsed = vec![Rehearsed::Redeemed(not_taken())];
    }
}

/// A rehearsal ends so.
pub fn ends(evidence: &mut Evidence, step: Step, cause: Cause) {
    let redeemed = match step {
        Step::Callback => Redeemed(fails(step, cause)),
        _ => taken(),
    };
    let form = if step == Step::Callback { Ok(()) } else { Err(fails(step, cause)) };
    outside(evidence).rehearsals = vec![rehearsal(form, redeemed)];
}

pub fn logins(failures: Vec<FailureGroup>, user: Option<User>) -> Option<Logins> {
    let failed = failures.len();
    let verdict = if failed == 0 { Verdict::LoggedIn } else { Verdict::Refused };
    Some(Logins { verdict, ok: usize::from(failed == 0), total: 1, failures, user, shown: vec![] })
}

/// Who is logged in, and the values of the claims that are taken for groups.
pub fn user(name: &str, groups: &[&str]) -> User {
    let claims = json!({"sub": "CgR1c2VyEgVsb2NhbA", "email": name});
    User {
        username: name.into(),
        groups: groups.iter().map(|&group| group.into()).collect(),
        claims,
        may_look: None,
    }
}

/// `g, SUBJECT, ROLE`.
pub fn member(subject: &str, role: &str) -> Rule {
    Rule::Member { subject: subject.into(), role: role.into() }
}

pub fn group(step: Step, cause: Cause) -> FailureGroup {
    let candidates = cause.candidates(false);
    FailureGroup {
        step,
        status: Some(500),
        message: "the server's words".into(),
        count: 1,
        cause: candidates.only(),
        candidates: candidates.ids,
        decides: candidates.decides,
        explanation: cause.explain(),
        answer: cause,
    }
}

/// The same with the Dex inside Argo CD in the place of one of its own.
pub fn bundled(evidence: &mut Evidence, url: &str, config: &str) {
    let map = json!({"metadata": {}, "data": {"url": url, "dex.config": config}});
    evidence.settings = Seen::There(Settings::of(&serde_json::from_value(map).unwrap()));
    evidence.provider.issuer = format!("{url}/api/dex");
    if let Discovery::Document(document) = &mut evidence.provider.discovery {
        document.issuer.clone_from(&evidence.provider.issuer);
        document.authorization_endpoint = format!("{url}/api/dex/auth");
    }
    let issuer = (!url.is_empty()).then(|| evidence.provider.issuer.clone());
    let public =
        Public { url: url.to_owned(), issuer, client_id: "argo-cd".into(), cli_client_id: String::new() };
    outside(evidence).public = Seen::There(public);
    for rehearsal in &mut outside(evidence).rehearsals {
        rehearsal.asked = None;
    }
    evidence.named_secret = Seen::NotLooked;
    evidence.bundled = Bundled {
        deployment: Seen::There(DeploymentSeen {
            namespace: "argocd".into(),
            name: "argocd-dex-server".into(),
            wanted: 1,
            ready: 1,
            ..DeploymentSeen::default()
        }),
        pods: vec![pod("argocd-dex-server-a", "00:01:00", None)],
        ..Bundled::default()
    };
}

pub fn dex(evidence: &mut Evidence, value: &str, written: &str, started: &str) {
    let config = "issuer: http://dex.host\nstorage: {type: memory}\nstaticClients:\n- id: argo-cd\n  redirectURIs: [http://argocd.host/auth/callback]\n  secretEnv: S\n";
    evidence.provider.dex = Seen::There(DexSeen {
        deployment: DeploymentSeen {
            namespace: "dex".into(),
            name: "dex".into(),
            wanted: 1,
            ready: 1,
            ..DeploymentSeen::default()
        },
        pods: vec![pod("dex-a", started, None)],
        config: DexConfig::read("Secret dex/dex, key config.yaml", config.as_bytes(), "argo-cd"),
        secret: Some((secret("dex-clients", "argo-cd", value, written), "argo-cd".into())),
        same_keys: None,
    });
}
