use std::pin::Pin;

use anyhow::{Context, Result};
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslAcceptor, SslConnector, SslMethod, SslSessionCacheMode, SslVersion};
use openssl::x509::X509;
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::on_tokio::{Io, Tokio};
use crate::binding::{Binding, Opening, pipe};
use crate::setup::{DEADLINE, Tls};

/// The configurations of both sides: the same certificate, TLS 1.3, AES-256-GCM and X25519, as of the other rows.
pub(crate) struct OpenSsl {
    server: SslAcceptor,
    client: SslConnector,
}

impl OpenSsl {
    pub(crate) fn new(
        certificate: &CertificateDer<'static>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self> {
        let certificate = X509::from_der(certificate)?;
        let mut server = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server())?;
        server.set_certificate(&certificate)?;
        let key = PKey::private_key_from_der(key.secret_der())?;
        server.set_private_key(&key)?;
        server.set_ciphersuites("TLS_AES_256_GCM_SHA384")?;
        server.set_groups_list("X25519")?;
        server.set_num_tickets(0)?;
        server.set_session_cache_mode(SslSessionCacheMode::OFF);
        let mut client = SslConnector::builder(SslMethod::tls_client())?;
        client.set_min_proto_version(Some(SslVersion::TLS1_3))?;
        client.set_ciphersuites("TLS_AES_256_GCM_SHA384")?;
        client.set_groups_list("X25519")?;
        client.cert_store_mut().add_cert(certificate)?;
        Ok(Self {
            server: server.build(),
            client: client.build(),
        })
    }
}

fn openssl(tls: &'static Tls) -> Result<&'static OpenSsl> {
    tls.openssl.as_ref().context("no configuration for OpenSSL")
}

pub(super) struct TokioOpenSsl;

impl<IO: Io> Binding<IO> for TokioOpenSsl {
    fn server(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let mut stream = SslStream::new(Ssl::new(openssl(tls)?.server.context())?, io)?;
            timeout(DEADLINE, Pin::new(&mut stream).accept()).await??;
            Ok(pipe(Tokio(stream)))
        })
    }

    fn client(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let ssl = openssl(tls)?.client.configure()?.into_ssl("localhost")?;
            let mut stream = SslStream::new(ssl, io)?;
            timeout(DEADLINE, Pin::new(&mut stream).connect()).await??;
            Ok(pipe(Tokio(stream)))
        })
    }
}
