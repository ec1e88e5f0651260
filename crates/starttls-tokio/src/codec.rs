//! Upgrading a tokio-util [`Framed`], whose read buffer is the classic place for plaintext to survive the switch.

use rustls::Connection;
use starttls_stream::starttls_core::{Boundary, Error as CoreError, UntrustedText};
use starttls_stream::{Error, rustls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::Framed;

use crate::{PlainStream, TlsStream};

/// Switches a framed connection to TLS. What the codec has encoded and not sent goes out first, in plaintext; what was received and not
/// decoded is refused, whether the `Framed` holds it or the stream below.
///
/// The codec is handed back for a new [`Framed`], whose buffers are empty: whoever lets it remember something of the plaintext dialogue
/// must reset it, or use another.
///
/// When this future is dropped the connection is closed.
///
/// ```no_run
/// # async fn f(connection: starttls_tokio::rustls::ClientConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use starttls_tokio::{PlainStream, codec};
/// use tokio_util::codec::{Framed, LinesCodec};
///
/// let plain = PlainStream::new(tokio::net::TcpStream::connect("127.0.0.1:2525").await?);
/// let framed = Framed::new(plain, LinesCodec::new());
/// let (tls, codec) = codec::start_tls(framed, connection).await?;
/// let framed = Framed::new(tls, codec);
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`PlainStream::start_tls`].
pub async fn start_tls<IO, C>(
    framed: Framed<PlainStream<IO>, C>,
    connection: impl Into<Connection>,
) -> Result<(TlsStream<IO>, C), Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let parts = framed.into_parts();
    if !parts.read_buf.is_empty() {
        let unread = [&parts.read_buf[..], parts.io.buffered()].concat();
        return Err(CoreError::UnreadPlaintext {
            count: unread.len(),
            sample: UntrustedText::new(&unread),
        }
        .into());
    }
    let mut negotiated = parts.io.at(Boundary::Exact);
    negotiated.write_all(&parts.write_buf).await?;
    Ok((negotiated.start_tls(connection).await?, parts.codec))
}
