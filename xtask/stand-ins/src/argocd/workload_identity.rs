//! The token of a service account by which Azure knows a pod: a file that a webhook mounts
//! and names in a variable.

use std::collections::BTreeMap;

/// What the pod has of it. It may hold a token, so it cannot be printed.
pub(super) struct WorkloadIdentity(Result<String, &'static str>);

impl WorkloadIdentity {
    /// From the variables and files of the container.
    pub(super) fn of(env: &BTreeMap<String, String>, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let file = env.get("AZURE_FEDERATED_TOKEN_FILE").filter(|file| !file.is_empty());
        Self(match file.map(|file| files.get(file)) {
            None => Err(
                "AZURE_FEDERATED_TOKEN_FILE env variable not found, make sure workload identity is enabled on the cluster",
            ),
            Some(None) => Err("AZURE_FEDERATED_TOKEN_FILE specified file does not exist"),
            Some(Some(token)) => Ok(String::from_utf8_lossy(token).into_owned()),
        })
    }

    /// The token.
    ///
    /// # Errors
    /// What the pod lacks, in argo-cd's words.
    pub(super) fn token(&self) -> Result<&str, &'static str> {
        self.0.as_deref().map_err(|why| *why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_in_the_file_that_the_variable_names() {
        let files = BTreeMap::from([("/token".to_owned(), b"t".to_vec())]);
        let of = |file: &str| {
            let env = BTreeMap::from([("AZURE_FEDERATED_TOKEN_FILE".to_owned(), file.to_owned())]);
            WorkloadIdentity::of(&env, &files)
        };
        assert_eq!(of("/token").token(), Ok("t"));
        assert!(of("/none").token().unwrap_err().ends_with("does not exist"));
        assert!(of("").token().unwrap_err().contains("variable not found"));
    }
}
