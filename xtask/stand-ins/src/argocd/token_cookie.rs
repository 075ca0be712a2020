//! The session's cookie. Browsers keep no more than 4 KB in one, so a long token is
//! spread over several.

use http::HeaderMap;
use http::header::COOKIE;

/// The name of the cookie; its other parts are called `argocd.token-1` and so on.
pub(super) const TOKEN_COOKIE: &str = "argocd.token";
const MAX_COOKIE: usize = 4093;

/// How many cookies a token may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MaxCookies {
    pub(super) number: usize,
    /// The highest number that `ARGOCD_MAX_COOKIE_NUMBER` may set, from v2.2.
    pub(super) highest: Option<usize>,
}

impl MaxCookies {
    /// As the environment sets it.
    pub(super) fn set(self, variable: Option<&str>) -> Self {
        let set = variable.and_then(|text| text.parse().ok());
        let set = set.filter(|number| self.highest.is_some_and(|highest| *number <= highest));
        Self { number: set.unwrap_or(self.number), ..self }
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
    let MaxCookies { number: max, highest } = max;
    if count > max {
        let longest = room * max;
        return Err(match highest {
            None => format!(
                "invalid cookie value, at {length} long it is longer than the max length of {longest}"
            ),
            Some(_) => format!(
                "the authentication token is {length} characters long and requires {count} cookies but the max number of cookies is {max}. Contact your Argo CD administrator to increase the max number of cookies"
            ),
        });
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

    const FIVE: MaxCookies = MaxCookies { number: 5, highest: None };
    const TWENTY: MaxCookies = MaxCookies { number: 20, highest: Some(usize::MAX) };

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
            let set = set_cookies(&token, "/", false, TWENTY).unwrap();
            assert_eq!(set.len(), count, "{length}");
            assert!(set.iter().all(|cookie| cookie.len() <= MAX_COOKIE), "{length}");
            assert!(set[0].ends_with("; path=/; SameSite=lax; httpOnly"), "{}", set[0]);
            let pairs: Vec<&str> = set.iter().map(|cookie| cookie.split_once("; ").unwrap().0).collect();
            assert_eq!(join(&headers(&pairs)).unwrap(), token);
        }
        let refused = |max| set_cookies(&"x".repeat(100_000), "/", false, max).unwrap_err();
        assert!(refused(TWENTY).contains("requires 25 cookies but the max number of cookies is 20."));
        assert_eq!(
            refused(FIVE),
            "invalid cookie value, at 100000 long it is longer than the max length of 20230"
        );
        assert!(
            set_cookies("x", "argo/", true, FIVE).unwrap()[0]
                .ends_with("path=/argo; SameSite=lax; httpOnly; Secure")
        );
    }

    #[test]
    fn the_environment_sets_how_many() {
        let max = MaxCookies { number: 10, highest: Some(30) };
        assert_eq!(max.set(Some("12")).number, 12);
        for unheard in ["", "x", "-1", "31"] {
            assert_eq!(max.set(Some(unheard)), max, "{unheard}");
        }
        assert_eq!(FIVE.set(Some("12")), FIVE);
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
