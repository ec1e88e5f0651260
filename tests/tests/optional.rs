//! Servers that offer TLS and do not demand it: what a client says that does without is unread, and the connection goes on in front of it.

use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Negotiator, Untrusted};
use starttls_protocols::{ftp, imap, irc, managesieve, munin, nntp, nut, pop3, smtp};
use starttls_tests::certs::Certs;
use starttls_tokio::{Opportunistic, PlainStream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, duplex};

/// What `server` answers to `said` and where it then stands: what its caller reads next.
async fn goes_on<N: Negotiator<Tls = ServerConnection>>(server: N, said: &str) -> (String, String) {
    let (mut client, socket) = duplex(64 * 1024);
    client.write_all(said.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let connection = ServerConnection::new(Certs::new().server_config()).unwrap();
    let upgrade = PlainStream::new(socket).upgrade_opportunistically(server, connection);
    let Opportunistic::Declined { mut plain, reason } = upgrade.await.unwrap() else {
        panic!("TLS without a client");
    };
    assert_eq!(reason, Error::NotRequested);
    assert_eq!(reason.to_string(), "the peer did not ask for TLS");
    let mut next = String::new();
    plain.read_line(&mut next).await.unwrap();
    // It can be answered too.
    plain.write_all(b"the caller's answer").await.unwrap();
    plain.shutdown().await.unwrap();
    drop(plain);
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    let answers = answers.strip_suffix("the caller's answer").unwrap();
    (answers.to_owned(), next)
}

macro_rules! goes_on {
    ($server:expr, $said:expr => $answers:expr, $next:expr) => {
        let (answers, next) = goes_on($server.optional(), $said).await;
        assert_eq!((answers.as_str(), next.as_str()), ($answers, $next));
    };
}

#[tokio::test]
async fn every_line_protocol_goes_on_in_front_of_the_first_message() {
    goes_on!(smtp::Server::new("mx"), "HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@mx>\r\n"
        => "220 mx ESMTP\r\n250 mx\r\n", "MAIL FROM:<>\r\n");
    goes_on!(smtp::Server::lmtp("mx"), "MAIL FROM:<>\r\n"
        => "220 mx LMTP\r\n", "MAIL FROM:<>\r\n");
    goes_on!(imap::Server::new(), "a NOOP\r\nb LOGIN {2}\r\n"
        => "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\na OK NOOP completed\r\n", "b LOGIN {2}\r\n");
    goes_on!(pop3::Server::new(), "APOP me 0123\r\n"
        => "+OK POP3 server ready\r\n", "APOP me 0123\r\n");
    goes_on!(nntp::Server::new(), "MODE READER\r\nGROUP local.test\r\n"
        => "200 NNTP service ready\r\n200 This is for readers\r\n", "GROUP local.test\r\n");
    goes_on!(ftp::Server::new(), "NOOP\r\nUSER me\r\n"
        => "220 FTP service ready\r\n200 OK\r\n", "USER me\r\n");
    goes_on!(irc::Server::new("irc"), "PING 1\r\nNICK me\r\n"
        => ":irc PONG irc :1\r\n", "NICK me\r\n");
    goes_on!(nut::Server::new(), "NETVER\nLIST UPS\n" => "1.3\n", "LIST UPS\n");
    goes_on!(munin::Server::new("node"), "cap multigraph\n"
        => "# munin node at node\n", "cap multigraph\n");
    let (_, next) = goes_on(
        managesieve::Server::new("x").optional(),
        "NOOP {2+}\r\nhi\r\nAUTHENTICATE \"PLAIN\" {3+}\r\nabc\r\n",
    )
    .await;
    assert_eq!(next, "AUTHENTICATE \"PLAIN\" {3+}\r\n");
}

/// What an MX has to know of the session that it goes on with.
#[tokio::test]
async fn what_was_said_before_is_there() {
    let mut server = smtp::Server::new("mx").optional();
    goes_on(&mut server, "EHLO me.example.net\r\nMAIL FROM:<>\r\n").await;
    assert_eq!(
        server.hello().map(Untrusted::into_inner),
        Some("EHLO me.example.net")
    );
    assert_eq!(
        server.client_name().map(Untrusted::into_inner),
        Some("me.example.net")
    );

    let mut server = irc::Server::new("irc").optional();
    goes_on(&mut server, "CAP LS\r\nNICK me\r\n").await;
    assert_eq!(server.cap_version().map(Untrusted::into_inner), Some(301));
}
