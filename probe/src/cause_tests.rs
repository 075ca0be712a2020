use super::*;

fn meaning(step: Step, status: u16, body: &str, query: &str) -> Cause {
    of_answer(step, &Circumstances { status: Some(status), body, query, ..Circumstances::default() })
}

#[test]
fn knows_what_servers_say() {
    use Step::{Authorize, Callback, Form, Login, Userinfo};
    for (step, status, body, cause) in [
        (
            Callback,
            500,
            "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"\n",
            Cause::InvalidClient,
        ),
        (
            Callback,
            500,
            "failed to get token: oauth2: cannot fetch token: 401 Unauthorized\nResponse: {\"error\":\"invalid_client\",\"error_description\":\"Invalid client credentials.\"}",
            Cause::InvalidClient,
        ),
        (
            Callback,
            500,
            "failed to get token: oauth2: \"invalid_grant\" \"Invalid or expired code parameter.\"",
            Cause::InvalidGrant,
        ),
        (
            Callback,
            500,
            "failed to get token: oauth2: \"unauthorized_client\" \"Invalid client or Invalid client credentials\"",
            Cause::InvalidClient,
        ),
        (
            Callback,
            500,
            "failed to get token: oauth2: \"access_denied\" \"Unauthorized\"",
            Cause::InvalidClient,
        ),
        (
            Callback,
            500,
            "failed to get token: oauth2: \"invalid_client\" \"AADSTS7000222: The provided client secret keys are expired.\"",
            Cause::SecretExpired,
        ),
        (
            Callback,
            500,
            "failed to get token: oauth2: \"invalid_client\" \"AADSTS7000112: Application is disabled.\"",
            Cause::ClientDisabled,
        ),
        (Callback, 400, "http: named cookie not present\n", Cause::StateCookieLost),
        (Callback, 400, "invalid state in 'argocd.token' cookie\n", Cause::StateMismatch),
        (Callback, 400, "cipher: message authentication failed\n", Cause::ServerKeyChanged),
        (Callback, 400, "access_denied: nope\n", Cause::AccessDenied),
        (Callback, 400, "invalid_scope: The scope is unknown\n", Cause::InvalidScope),
        (Callback, 500, "server.secretkey is missing", Cause::ServerKeyMissing),
        (Callback, 500, "failed to get token: Post \"http://dex.host/token\": EOF", Cause::SessionStore),
        (Callback, 500, "dial tcp 10.0.0.1:6379: redis: connection refused", Cause::SessionStore),
        (Callback, 500, "dial tcp 127.0.0.1:6379: connect: connection refused\n", Cause::SessionStore),
        (
            Callback,
            500,
            "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer\n",
            Cause::SessionStore,
        ),
        (Callback, 500, "EOF\n", Cause::SessionStore),
        (
            Callback,
            500,
            "failed to get token: Post \"http://dex.host/token\": dial tcp: lookup dex.host: no such host",
            Cause::ProviderUnknownHost,
        ),
        (
            Callback,
            500,
            "claims={\"sub\":\"x\"}, err=the authentication token is 90000 characters long and requires 23 cookies but the max number of cookies is 20. Contact",
            Cause::TooManyCookies,
        ),
        (Userinfo, 400, "<title>400 Request Header Or Cookie Too Large</title>", Cause::CookieTooLarge),
        (Callback, 303, "", Cause::NoTokenCookie),
        (Callback, 500, "something new", Cause::Unknown),
        (
            Login,
            500,
            "Failed to query provider \"http://dex.host\": 502 Bad Gateway: <html>",
            Cause::ProviderBadGateway,
        ),
        // No gateway: these are a port, and a part of an address.
        (
            Login,
            500,
            "failed to query provider \"http://127.0.0.1:45020\": unexpected content type",
            Cause::ProviderUnreachable,
        ),
        (
            Login,
            500,
            "failed to query provider \"http://dex.host:503/\": malformed response",
            Cause::ProviderUnreachable,
        ),
        (
            Login,
            500,
            "failed to query provider \"http://dex.host\": Get \"http://dex.host/.well-known/openid-configuration\": dial tcp: lookup dex.host on 10.96.0.10:53: no such host",
            Cause::ProviderUnknownHost,
        ),
        (
            Login,
            500,
            "failed to query provider \"http://dex.host\": Get \"x\": dial tcp 10.0.0.7:80: connect: connection refused",
            Cause::ProviderRefusesConnections,
        ),
        (
            Login,
            500,
            "failed to query provider \"https://dex.host\": Get \"x\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
            Cause::ProviderCertificate,
        ),
        (
            Login,
            500,
            "failed to query provider \"http://dex.host\": 404 Not Found: ",
            Cause::ProviderUnreachable,
        ),
        (
            Login,
            500,
            "failed to query provider \"\": Get \"/.well-known/openid-configuration\": unsupported protocol scheme \"\"",
            Cause::FirstStart,
        ),
        (
            Login,
            500,
            "failed to query provider \"http://dex.host/\": oidc: issuer did not match the issuer returned by provider, expected \"http://dex.host/\" got \"http://dex.host\"",
            Cause::IssuerMismatch,
        ),
        (
            Login,
            500,
            "failed to query provider \"http://dex.host/\": oidc: issuer URL provided to client (\"http://dex.host/\") did not match the issuer URL returned by provider (\"http://dex.host\")",
            Cause::IssuerMismatch,
        ),
        (Login, 404, "404 page not found\n", Cause::SsoOff),
        (Login, 404, "default backend - 404", Cause::NoRoute),
        (Login, 404, "<html><head><title>404 Not Found</title></head></html>", Cause::NoRoute),
        (Login, 200, "<html>hello</html>", Cause::NoRedirect),
        (Login, 502, "<html>502 Bad Gateway</html>", Cause::FrontWithoutBackend),
        (Login, 503, "", Cause::FrontWithoutBackend),
        (
            Login,
            400,
            "Invalid redirect URL: the protocol and host (including port) must match and the path must be within allowed URLs if provided",
            Cause::InvalidRedirectUrl,
        ),
        (Authorize, 502, "<html>502 Bad Gateway</html>", Cause::FrontWithoutBackend),
        (
            Authorize,
            400,
            "Bad Request Unregistered redirect_uri (\"http://argocd.host/auth/callback\").",
            Cause::UnregisteredRedirect,
        ),
        (Authorize, 400, "Invalid parameter: redirect_uri", Cause::UnregisteredRedirect),
        (Callback, 400, "invalid_request: Missing parameter: code_challenge_method", Cause::WantsPkce),
        (Authorize, 400, "Client disabled.", Cause::ClientDisabled),
        (
            Authorize,
            403,
            "Bearer-only applications are not allowed to initiate browser login",
            Cause::ClientDisabled,
        ),
        (Authorize, 400, "Realm not enabled", Cause::ClientDisabled),
        (
            Callback,
            500,
            "failed to get token: oauth2: \"access_denied\" \"Realm not enabled\"",
            Cause::ClientDisabled,
        ),
        (
            Callback,
            400,
            "unauthorized_client: Client is not allowed to initiate browser login with given response_type. Standard flow is disabled for the client.",
            Cause::ClientDisabled,
        ),
        (Authorize, 404, "Not Found Invalid client_id (\"argo\").", Cause::UnknownClient),
        (Authorize, 400, "invalid_client: no client with requested id: argo", Cause::UnknownClient),
        (Form, 500, "Internal Server Error Failed to login user", Cause::Unknown),
        (Userinfo, 200, "{}", Cause::NotLoggedIn),
        (
            Userinfo,
            401,
            "{\"error\":\"invalid session: failed to verify the token\",\"code\":16}",
            Cause::TokenRejected,
        ),
        (Userinfo, 401, "oidc: expected audience \"argo-cd\" got []", Cause::Audience),
        (Userinfo, 401, "invalid session: oidc: token is expired", Cause::TokenExpired),
        (Userinfo, 500, "boom", Cause::Unknown),
    ] {
        for body in [body.to_owned(), body.to_ascii_uppercase()] {
            assert_eq!(meaning(step, status, &body, ""), cause, "{step} {status} {body}");
        }
    }
}

#[test]
fn a_provider_reports_errors_in_the_query_too() {
    assert_eq!(meaning(Step::Callback, 400, "nope", "error=access_denied&"), Cause::AccessDenied);
    assert_eq!(meaning(Step::Callback, 400, "nope", "error=invalid_scope&"), Cause::InvalidScope);
    let body = "Invalid client_id (\"$oidc:id\").";
    assert_eq!(meaning(Step::Authorize, 404, body, "client_id=$oidc:id&"), Cause::UnresolvedReference);
}

#[test]
fn a_lost_cookie_that_was_secure_over_http_is_known_as_such() {
    let lost = "http: named cookie not present";
    let seen = Circumstances {
        status: Some(400),
        body: lost,
        secure_cookie_refused: true,
        ..Circumstances::default()
    };
    assert_eq!(of_answer(Step::Callback, &seen), Cause::SecureCookieOverHttp);
    let seen = Circumstances { status: Some(303), body: "", ..seen };
    assert_eq!(of_answer(Step::Callback, &seen), Cause::SecureCookieOverHttp);
}

#[test]
fn a_redirect_uri_that_is_refused_is_argo_cds_fault_if_it_leads_elsewhere() {
    let body = "Bad Request Unregistered redirect_uri (\"http://other.host/auth/callback\").";
    let seen =
        Circumstances { status: Some(400), body, called_back_elsewhere: true, ..Circumstances::default() };
    assert_eq!(of_answer(Step::Authorize, &seen), Cause::RedirectElsewhere);
}

#[test]
fn no_answer_has_a_meaning_too() {
    use std::time::Duration;
    for (no_answer, cause) in [
        (NoAnswer::Refused, Cause::ConnectionRefused),
        (NoAnswer::Closed, Cause::ConnectionClosed),
        (NoAnswer::Name("x".to_owned()), Cause::NameNotFound),
        (NoAnswer::Timeout(Duration::from_secs(1)), Cause::Timeout),
        (NoAnswer::Certificate("x".to_owned()), Cause::Certificate),
        (NoAnswer::NotHttp("x".to_owned()), Cause::NotHttp),
        (NoAnswer::TooLarge(1), Cause::TooLarge),
        (NoAnswer::Other("x".to_owned()), Cause::Unknown),
    ] {
        assert_eq!(of_no_answer(&no_answer), cause);
    }
}
