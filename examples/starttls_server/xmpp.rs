//! XMPP: a login that is always good, a resource, and an answer to everything that is asked.

use anyhow::{Result, ensure};
use starttls_core::{Phase, Plain};
use starttls_protocols::xmpp::{Element, Said, StreamReader};
use tokio::io::AsyncBufReadExt;

use crate::Tls;
use crate::io::send;

const STREAM: &str = "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

pub(crate) async fn client_to_server(tls: &mut Tls, name: &str) -> Result<()> {
    let login = format!("<mechanisms xmlns='{SASL}'><mechanism>PLAIN</mechanism></mechanisms>");
    let bind = format!("<bind xmlns='{BIND}'/>");
    stream(tls, "jabber:client", name, [&login, &bind]).await
}

pub(crate) async fn server_to_server(tls: &mut Tls, name: &str) -> Result<()> {
    let dialback = "<dialback xmlns='urn:xmpp:features:dialback'/>";
    stream(tls, "jabber:server", name, [dialback, dialback]).await
}

/// A brand-new stream (RFC 6120 section 5.4.3.3), and another one after the login, with what each offers.
async fn stream(tls: &mut Tls, namespace: &str, name: &str, offers: [&str; 2]) -> Result<()> {
    let [mut features, bind] = offers;
    // The reader of the plaintext phase, over what has come through TLS.
    let (mut reader, mut received) = (StreamReader::new(), Plain::new());
    loop {
        let Some(said) = reader.next(&mut received)? else {
            let bytes = tls.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(());
            }
            let taken = received.handle_input(bytes);
            ensure!(taken > 0, "more than is ever needed");
            tls.consume(taken);
            continue;
        };
        let answer = match said.into_inner() {
            Said::Header(_) => format!(
                "<?xml version='1.0'?><stream:stream xmlns='{namespace}' {STREAM} from='{name}' id='1'>\
                 <stream:features>{features}</stream:features>"
            ),
            Said::Stanza(stanza) if stanza.is(SASL, "auth") => {
                // Behind the login both begin once more (section 6.4.6).
                (reader, features) = (StreamReader::new(), bind);
                format!("<success xmlns='{SASL}'/>")
            }
            Said::Stanza(stanza) => answer(&stanza, name),
            Said::Footer => return send(tls, b"</stream:stream>").await,
            _ => continue,
        };
        send(tls, answer.as_bytes()).await?;
    }
}

/// Every request has a result: the address that the client has now, or nothing. Messages and presence have none.
fn answer(stanza: &Element, name: &str) -> String {
    let id = stanza.attribute("id").unwrap_or_default();
    let is_plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_request = matches!(stanza.attribute("type"), Some("get" | "set"));
    if stanza.name() != "iq" || !is_request || !is_plain {
        return String::new();
    }
    let result = if stanza.child(BIND, "bind").is_some() {
        format!("<bind xmlns='{BIND}'><jid>test@{name}/example</jid></bind>")
    } else {
        String::new()
    };
    format!("<iq type='result' id='{id}'>{result}</iq>")
}
