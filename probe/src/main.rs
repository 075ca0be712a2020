//! The command `probe`: logs in to an Argo CD by OIDC and says why it fails.
fn main() {}
