//! Versions, as each tool really prints its own.

use std::fmt;

use serde_json::Value;

use super::Tool;

/// A version: the numbers count, the text is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: (u32, u32, u32),
    text: String,
}

impl Version {
    /// A version from its three numbers.
    pub fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { numbers: (major, minor, patch), text: format!("{major}.{minor}.{patch}") }
    }

    /// Reads `v1.2.3`, `1.2`, `v1.32.4-dispatcher`, `20.10.24+dfsg1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let plain = text.strip_prefix('v').unwrap_or(text);
        let end = plain.find(['-', '+', '~']).unwrap_or(plain.len());
        let numbers: Option<Vec<u32>> = plain[..end]
            .split('.')
            .map(|part| part.parse().ok().filter(|_| part.starts_with(|c: char| c.is_ascii_digit())))
            .collect();
        let numbers = match numbers?[..] {
            [major, minor] => (major, minor, 0),
            [major, minor, patch] => (major, minor, patch),
            _ => return None,
        };
        let printable = text.len() <= 60 && text.bytes().all(|byte| byte.is_ascii_graphic());
        printable.then(|| Self { numbers, text: text.to_owned() })
    }

    /// The three numbers.
    pub fn numbers(&self) -> (u32, u32, u32) {
        self.numbers
    }

    /// The version that a tool's answer names; see [`Tool::question`].
    pub fn of(tool: Tool, stdout: &str) -> Option<Self> {
        match tool {
            // kind v0.33.0 go1.26.8 linux/amd64 · v3.22.0+g144c3b1 · Helm 2: Client: v2.17.0+ga690bad
            Tool::Kind | Tool::Helm => {
                let line = stdout.lines().map(str::trim).find(|line| !line.is_empty())?;
                let line = line.strip_prefix("kind ").or(line.strip_prefix("Client:")).unwrap_or(line);
                Self::parse(line.split_whitespace().next()?)
            }
            // {"clientVersion": {"gitVersion": "v1.32.4-dispatcher", …}}
            Tool::Kubectl => {
                let answer: Value = serde_json::from_str(stdout).ok()?;
                Self::parse(answer["clientVersion"]["gitVersion"].as_str()?)
            }
        }
    }
}

impl fmt::Display for Version {
    /// With a `v` in front, as the releases are called.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.text.trim_start_matches('v'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_print_them() {
        let kubectl = |version: &str| {
            format!(
                "{{\"clientVersion\": {{\"gitVersion\": \"{version}\"}}, \"kustomizeVersion\": \"v5.5.0\"}}"
            )
        };
        for (tool, said, version, numbers) in [
            (Tool::Kind, "kind v0.33.0 go1.26.8 linux/amd64\n", "v0.33.0", (0, 33, 0)),
            (
                Tool::Kind,
                "kind v0.34.0-alpha+1f2e3d4c5b6a79 go1.26.1 darwin/arm64\n",
                "v0.34.0-alpha+1f2e3d4c5b6a79",
                (0, 34, 0),
            ),
            (Tool::Kind, "v0.5.1\n", "v0.5.1", (0, 5, 1)),
            (Tool::Helm, "v3.22.0+g144c3b1\n", "v3.22.0+g144c3b1", (3, 22, 0)),
            (Tool::Helm, "v3.22\n", "v3.22", (3, 22, 0)),
            (Tool::Helm, "v4.3.1+gabcdef0", "v4.3.1+gabcdef0", (4, 3, 1)),
            (Tool::Helm, "Client: v2.17.0+ga690bad\n", "v2.17.0+ga690bad", (2, 17, 0)),
            (Tool::Kubectl, &kubectl("v1.32.4-dispatcher"), "v1.32.4-dispatcher", (1, 32, 4)),
            (Tool::Kubectl, &kubectl("v1.30.1+k3s1"), "v1.30.1+k3s1", (1, 30, 1)),
        ] {
            let read = Version::of(tool, said).unwrap_or_else(|| panic!("{said}"));
            assert_eq!((read.to_string().as_str(), read.numbers()), (version, numbers));
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        for (tool, said) in [
            (Tool::Kind, ""),
            (Tool::Kind, "kind\n"),
            (Tool::Kind, "kind (unknown)\n"),
            (Tool::Helm, "Error: unknown flag: --short\n"),
            (Tool::Kubectl, "Client Version: v1.28.0\n"),
            (Tool::Kubectl, "{}"),
        ] {
            assert_eq!(Version::of(tool, said), None, "{said}");
        }
        for text in ["", "v", "1", "1.", "1.x", "1.2.3.4", "-1.2", "1.2\u{1b}[31m", "99999999999.1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert_eq!(Version::parse("20.10.24+dfsg1").unwrap().numbers(), (20, 10, 24));
    }
}
