//! TLS for fetching: the system's certificates, checked by a provider of our own, so that no global one is needed.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;

/// The configuration, and why `https` will not work where the machine has no certificates: `http` still does.
pub(super) fn configuration() -> Result<(ClientConfig, Option<String>), String> {
    let provider = Arc::new(ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))
    };
    match builder()?.with_platform_verifier() {
        Ok(verified) => Ok((verified.with_no_client_auth(), None)),
        Err(error) => {
            let problem = format!(
                "this machine has no certificates to check https with ({error}); install its ca-certificates package"
            );
            let trusting_nobody = builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
            Ok((trusting_nobody, Some(problem)))
        }
    }
}
