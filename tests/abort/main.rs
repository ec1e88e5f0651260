//! S20 in a debug build with `panic=abort`: what a peer sends behind our `close_notify` does not end the process.
//!
//! rustls 0.23 has a debug assertion on that path. A program that has ended is one that has not printed its last line.

use std::sync::Arc;

use starttls_core::rustls::pki_types::PrivateKeyDer;
use starttls_core::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};
use starttls_core::{Error, Misbehaviour, Phase, Tls};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    assert!(cfg!(debug_assertions) && cfg!(panic = "abort"));
    let (client_config, server_config) = configurations()?;

    let (mut client, _) = established(&client_config, &server_config)?;
    closed(&mut client);
    assert_eq!(client.handle_input(b"200 plaintext\r\n"), 15);
    let end = client.read(&mut [0; 9]);
    println!("plaintext: {end:?}");
    assert!(matches!(
        end,
        Err(Error::Misbehaved(Misbehaviour::PlaintextInTls { .. }))
    ));

    // The tag of the record is not the peer's.
    let (mut client, mut server) = established(&client_config, &server_config)?;
    closed(&mut client);
    let mut record = Vec::new();
    assert_eq!(server.write(b"forged")?, 6);
    server.poll_transmit(&mut record);
    if let Some(last) = record.last_mut() {
        *last ^= 1;
    }
    assert_eq!(client.handle_input(&record), record.len());
    let end = client.read(&mut [0; 9]);
    println!("a forged record: {end:?}");
    assert!(end.is_err());

    println!("the process goes on");
    Ok(())
}

fn closed(tls: &mut Tls) {
    tls.close();
    tls.poll_transmit(&mut Vec::new());
}

fn established(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<(Tls, Tls), Box<dyn std::error::Error>> {
    let client = ClientConnection::new(client.clone(), "localhost".try_into()?)?;
    let mut client = Tls::new_implicit(client);
    let mut server = Tls::new_implicit(ServerConnection::new(server.clone())?);
    while client.is_handshaking() || server.is_handshaking() || server.has_output() {
        carry(&mut client, &mut server);
        carry(&mut server, &mut client);
    }
    Ok((client, server))
}

fn carry(from: &mut Tls, to: &mut Tls) {
    let mut wire = Vec::new();
    from.poll_transmit(&mut wire);
    assert_eq!(to.handle_input(&wire), wire.len());
}

fn configurations()
-> Result<(Arc<ClientConfig>, Arc<ServerConfig>), Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()])?;
    let certificate = made.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok((Arc::new(client), Arc::new(server)))
}
