//! Differences that are known, each with its reason. What is not listed here is a fault
//! of the stand-in, and `compare` exits 1.

/// Why an answer of a stand-in may differ from the real program's, if it may.
pub fn of(at: &str, field: &str, stand_in: &str, real: &str) -> Option<&'static str> {
    let rule = RULES.iter().find(|rule| {
        at.contains(rule.at)
            && field == rule.field
            && stand_in.contains(rule.stand_in)
            && real.contains(rule.real)
    });
    rule.map(|rule| rule.reason)
}

struct Rule {
    at: &'static str,
    field: &'static str,
    stand_in: &'static str,
    real: &'static str,
    reason: &'static str,
}

const GO: &str = "Go's router says 301 up to Go 1.25 and 307 later: the stand-in goes by the Go that released programs are built with";

const RULES: &[Rule] = &[
    Rule {
        at: "/api/version",
        field: "body",
        stand_in: "+stand-in",
        real: "",
        reason: "a stand-in says in its version that it is one",
    },
    Rule { at: "//auth", field: "status", stand_in: "30", real: "30", reason: GO },
    Rule { at: "/auth/.", field: "status", stand_in: "30", real: "30", reason: GO },
    Rule {
        at: "form",
        field: "page",
        stand_in: "Log in",
        real: "Log in to Your Account",
        reason: "pages of a stand-in have words of their own around what clients find by name",
    },
    Rule {
        at: "form",
        field: "page",
        stand_in: "Log in",
        real: "Login",
        reason: "pages of a stand-in have words of their own around what clients find by name",
    },
    Rule {
        at: "the end",
        field: "status",
        stand_in: "This is a stand-in for Dex",
        real: "failed at authorize",
        reason: "a stand-in says on its pages that it is one",
    },
    Rule {
        at: "Dex GET discovery",
        field: "body",
        stand_in: "\"issuer\": \"http://dex.host\"",
        real: "device_authorization_endpoint",
        reason: "the stand-in has no device flow, token exchange and introspection; no login of Argo CD asks for them",
    },
];
