//! XMPP up to where a login or a stanza would follow: enough to see the new stream.

use anyhow::Result;

use crate::Tls;
use crate::io::{send, text_to};

const STREAM: &str = "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

pub(crate) async fn client_to_server(tls: &mut Tls, name: &str) -> Result<()> {
    let features = format!("<mechanisms xmlns='{SASL}'><mechanism>PLAIN</mechanism></mechanisms>");
    stream(tls, "jabber:client", name, &features).await
}

pub(crate) async fn server_to_server(tls: &mut Tls, name: &str) -> Result<()> {
    let dialback = "<dialback xmlns='urn:xmpp:features:dialback'/>";
    stream(tls, "jabber:server", name, dialback).await
}

/// A brand-new stream (RFC 6120 section 5.4.3.3), a login that is always good, and the stream after it.
async fn stream(tls: &mut Tls, namespace: &str, name: &str, features: &str) -> Result<()> {
    while let Some(said) = text_to(tls, b'>').await? {
        let said = said.trim_start();
        if said.starts_with("<stream:stream") {
            let header = format!(
                "<?xml version='1.0'?><stream:stream xmlns='{namespace}' {STREAM} from='{name}' id='1'>"
            );
            let answer = format!("{header}<stream:features>{features}</stream:features>");
            send(tls, answer.as_bytes()).await?;
        } else if said.starts_with("</stream:stream") {
            return send(tls, b"</stream:stream>").await;
        } else if said.ends_with("</auth>") {
            send(tls, format!("<success xmlns='{SASL}'/>").as_bytes()).await?;
        }
    }
    Ok(())
}
