//! The session's cookie. Browsers keep no more than 4 KB in one, so a long token is
//! spread over several.

use http::HeaderMap;
use http::header::COOKIE;

/// The name of the cookie; its other parts are called `argocd.token-1` and so on.
pub(super) const TOKEN_COOKIE: &str = "argocd.token";
const MAX_COOKIE: usize = 4093;

/// How many cookies a token may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MaxCookies {
    /// v2.1: five, in words of its own.
    Five,
    /// From v2.2: this many, unless `ARGOCD_MAX_COOKIE_NUMBER` says otherwise.
    Number(usize),
}

impl MaxCookies {
    /// As the environment sets it. `highest` is the highest that is taken.
    pub(super) fn set(self, variable: Option<&str>, highest: usize) -> Self {
        match self {
            Self::Five => self,
            Self::Number(default) => {
                let set = variable.and_then(|text| text.parse().ok()).filter(|number| *number <= highest);
                Self::Number(set.unwrap_or(default))
            }
        }
    }
}

/// `Set-Cookie` for a token.
///
/// # Errors
/// It would need too many cookies.
pub(super) fn set_cookies(
    token: &str,
    base_href: &str,
    secure: bool,
    max: MaxCookies,
) -> Result<Vec<String>, String> {
    let path = base_href.trim_matches('/');
    let secure = if secure { "; Secure" } else { "" };
    let attributes = format!("path=/{path}; SameSite=lax; httpOnly{secure}");
    let room = MAX_COOKIE - (TOKEN_COOKIE.len() + 3) - (attributes.len() + 2);
    let count = token.len().div_ceil(room);
    let length = token.len();
    match max {
        MaxCookies::Five if count > 5 => {
            return Err(format!(
                "invalid cookie value, at {length} long it is longer than the max length of {}",
                room * 5
            ));
        }
        MaxCookies::Number(max) if count > max => {
            return Err(format!(
                "the authentication token is {length} characters long and requires {count} cookies but the max number of cookies is {max}. Contact your Argo CD administrator to increase the max number of cookies"
            ));
        }
        _ => {}
    }
    let parts = token.as_bytes().chunks(room).map(String::from_utf8_lossy).enumerate();
    Ok(parts
        .map(|(index, part)| match index {
            0 if count == 1 => format!("{TOKEN_COOKIE}={part}; {attributes}"),
            0 => format!("{TOKEN_COOKIE}={count}:{part}; {attributes}"),
            _ => format!("{TOKEN_COOKIE}-{index}={part}; {attributes}"),
        })
        .collect())
}

/// All cookies of a request, in order.
pub(super) fn cookies(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| {
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            (name, value)
        })
        .collect()
}

/// The cookie of this name.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    cookies(headers).into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The token, put together from its cookies.
///
/// # Errors
/// There is none, or its parts do not fit.
pub(super) fn join(headers: &HeaderMap) -> Result<String, String> {
    let all = cookies(headers);
    // Of two cookies of one name the last counts.
    let find = |name: &str| all.iter().rev().find(|(found, _)| *found == name).map(|(_, value)| *value);
    let first = find(TOKEN_COOKIE).ok_or_else(|| format!("failed to retrieve cookie {TOKEN_COOKIE}"))?;
    let parts: Vec<&str> = first.split(':').collect();
    let (count, mut token) = match parts[..] {
        [token] => (1, token.to_owned()),
        [count, token] => {
            let count: usize =
                count.parse().map_err(|_| format!("strconv.Atoi: parsing {count:?}: invalid syntax"))?;
            (count.min(all.len()), token.to_owned())
        }
        _ => return Err(format!("invalid cookie for key {TOKEN_COOKIE}")),
    };
    for index in 1..count {
        token.push_str(find(&format!("{TOKEN_COOKIE}-{index}")).unwrap_or_default());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookies.join("; ").parse().unwrap());
        headers
    }

    #[test]
    fn a_long_token_is_cut_and_put_together() {
        for (length, count) in [(800, 1), (4046, 1), (4047, 2), (9000, 3)] {
            let token: String =
                std::iter::repeat_n("abcdefghij", length / 10 + 1).collect::<String>()[..length].into();
            let set = set_cookies(&token, "/", false, MaxCookies::Number(20)).unwrap();
            assert_eq!(set.len(), count, "{length}");
            assert!(set.iter().all(|cookie| cookie.len() <= MAX_COOKIE), "{length}");
            assert!(set[0].ends_with("; path=/; SameSite=lax; httpOnly"), "{}", set[0]);
            let pairs: Vec<&str> = set.iter().map(|cookie| cookie.split_once("; ").unwrap().0).collect();
            assert_eq!(join(&headers(&pairs)).unwrap(), token);
        }
        let refused = |max| set_cookies(&"x".repeat(100_000), "/", false, max).unwrap_err();
        assert!(
            refused(MaxCookies::Number(20))
                .contains("requires 25 cookies but the max number of cookies is 20.")
        );
        assert_eq!(
            refused(MaxCookies::Five),
            "invalid cookie value, at 100000 long it is longer than the max length of 20230"
        );
        assert!(
            set_cookies("x", "argo/", true, MaxCookies::Five).unwrap()[0]
                .ends_with("path=/argo; SameSite=lax; httpOnly; Secure")
        );
    }

    #[test]
    fn the_environment_sets_how_many() {
        let set = |text| MaxCookies::Number(10).set(Some(text), 30);
        assert_eq!(set("12"), MaxCookies::Number(12));
        for unheard in ["", "x", "-1", "31"] {
            assert_eq!(set(unheard), MaxCookies::Number(10), "{unheard}");
        }
        assert_eq!(MaxCookies::Five.set(Some("12"), 30), MaxCookies::Five);
    }

    #[test]
    fn garbage_is_no_token() {
        assert!(join(&HeaderMap::new()).unwrap_err().contains("failed to retrieve cookie argocd.token"));
        assert!(join(&headers(&["argocd.token=a:b:c"])).is_err());
        assert!(join(&headers(&["argocd.token=x:b"])).is_err());
        assert_eq!(join(&headers(&["argocd.token=9999999:a", "argocd.token-1=b"])).unwrap(), "ab");
        assert_eq!(join(&headers(&["argocd.token=\"q\"", "other=1"])).unwrap(), "q");
        assert_eq!(cookie(&headers(&["a=1", "b=2"]), "b"), Some("2"));
    }
}
