//! Differences that are known, each with its reason. What is not listed here is a fault
//! of the stand-in, and `compare` exits 1.

/// Why an answer of a stand-in may differ from the real program's, if it may.
pub fn of(at: &str, field: &str, stand_in: &str, real: &str) -> Option<&'static str> {
    let fits = |rule: &&[&str; 5]| {
        at.contains(rule[0]) && field == rule[1] && stand_in.contains(rule[2]) && real.contains(rule[3])
    };
    RULES.iter().find(fits).map(|rule| rule[4])
}

const GO: &str = "Go's router says 301 up to Go 1.25 and 307 later: the stand-in goes by the Go that released programs are built with";

/// Where, which field, what is in the stand-in's and in the real program's, and why.
const RULES: &[[&str; 5]] = &[
    ["/api/version", "body", "+stand-in", "", "a stand-in says in its version that it is one"],
    ["//auth", "status", "30", "30", GO],
    ["/auth/.", "status", "30", "30", GO],
    [
        "the end",
        "status",
        "This is a stand-in for Dex",
        "failed at authorize",
        "a stand-in says on its pages that it is one",
    ],
    [
        "Dex GET discovery",
        "body",
        "\"issuer\": \"http://dex.host\"",
        "device_authorization_endpoint",
        "the stand-in has no device flow, token exchange and introspection; no login of Argo CD asks for them",
    ],
];
