//! TLS configurations with a certificate made on the spot, so that examples need no files.

use std::error::Error;
use std::sync::Arc;

use starttls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A self-signed certificate for `localhost`, and its key.
///
/// # Errors
/// Those of the crypto provider.
pub fn certificate() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    Ok((made.cert.der().clone(), key))
}

/// A server for `localhost`, and a client that trusts it and nobody else.
///
/// # Errors
/// Those of the crypto provider.
pub fn made_on_the_spot() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Box<dyn Error>> {
    let (certificate, key) = certificate()?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((Arc::new(server), Arc::new(client)))
}
