//! Our client against our server of every protocol: in memory to the byte, and over tokio.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Incoming, Negotiator, Output, Phase, Plain, Progress, Tls, Upgrade};
use starttls_protocols::rdp::Protocols;
use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::vencrypt::Subtype;
use starttls_protocols::{
    connect, ftp, http_upgrade, imap, irc, ldap, managesieve, munin, mysql, nats, nbd, nntp, nut,
    pop3, postgres, proxy, rdp, rpc, smtp, socks, telnet, vencrypt, xmpp,
};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::harness::transcript;
use starttls_tests::memory::{carry, drain, give};
use starttls_tokio::PlainStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Client = Box<dyn Negotiator<Tls = ClientConnection>>;
type Server = Box<dyn Negotiator<Tls = ServerConnection>>;

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50000);
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 25);

/// Protocol (and variant, behind a blank), client, server.
type Pair = (&'static str, fn() -> Client, fn() -> Server);

const PAIRS: &[Pair] = &[
    (
        "connect",
        || Box::new(connect::Client::new("www.example.org", 443)),
        || Box::new(connect::Server::new()),
    ),
    (
        "connect auth",
        || Box::new(connect::Client::new("::1", 443).basic_auth("me", "secret")),
        || Box::new(connect::Server::new().basic_auth("me", "secret")),
    ),
    (
        "ftp",
        || Box::new(ftp::Client::new()),
        || Box::new(ftp::Server::new()),
    ),
    (
        "ftp ssl",
        || Box::new(ftp::Client::new().or_ssl()),
        || Box::new(ftp::Server::new().or_ssl()),
    ),
    (
        "http_upgrade",
        || Box::new(http_upgrade::Client::new("printer.example.org")),
        || Box::new(http_upgrade::Server::new()),
    ),
    (
        "imap",
        || Box::new(imap::Client::new()),
        || Box::new(imap::Server::new()),
    ),
    (
        "irc",
        || Box::new(irc::Client::new()),
        || Box::new(irc::Server::new("irc.example.org")),
    ),
    (
        "ldap",
        || Box::new(ldap::Client::new()),
        || Box::new(ldap::Server::new()),
    ),
    (
        "managesieve",
        || Box::new(managesieve::Client::new()),
        || Box::new(managesieve::Server::new("Example 1.0")),
    ),
    (
        "munin",
        || Box::new(munin::Client::new()),
        || Box::new(munin::Server::new("node.example.org")),
    ),
    (
        "mysql",
        || Box::new(mysql::Client::new()),
        || Box::new(mysql::Server::new("8.0.0", 7, *b"ABCDEFGHIJKLMNOPQRST")),
    ),
    (
        "nats",
        || Box::new(nats::Client::new()),
        || {
            let info = r#"{"server_id":"A","tls_required":true}"#;
            Box::new(nats::Server::new(info))
        },
    ),
    (
        "nbd",
        || Box::new(nbd::Client::new()),
        || Box::new(nbd::Server::new()),
    ),
    (
        "nntp",
        || Box::new(nntp::Client::new()),
        || Box::new(nntp::Server::new()),
    ),
    (
        "nut",
        || Box::new(nut::Client::new()),
        || Box::new(nut::Server::new()),
    ),
    (
        "pop3",
        || Box::new(pop3::Client::new()),
        || Box::new(pop3::Server::new()),
    ),
    (
        "postgres",
        || Box::new(postgres::Client::new()),
        || Box::new(postgres::Server::new()),
    ),
    (
        "postgres gss",
        || Box::new(postgres::Client::with_gss()),
        || Box::new(postgres::Server::new()),
    ),
    (
        "proxy",
        || Box::new(proxy::Writer::v1(CLIENT, SERVER)),
        || Box::new(proxy::Reader::new()),
    ),
    (
        "proxy v2",
        || {
            Box::new(
                proxy::Writer::v2(CLIENT, SERVER)
                    .authority("example.org")
                    .crc32c(),
            )
        },
        || Box::new(proxy::Reader::new()),
    ),
    (
        "rdp",
        || Box::new(rdp::Client::new(Protocols::TLS)),
        || Box::new(rdp::Server::new(Protocols::TLS)),
    ),
    (
        "rpc",
        || Box::new(rpc::Client::new(100_003, 4)),
        || Box::new(rpc::Server::new()),
    ),
    (
        "smtp",
        || Box::new(smtp::Client::new("me.example.net")),
        || Box::new(smtp::Server::new("mail.example.org")),
    ),
    (
        "smtp lmtp",
        || Box::new(smtp::Client::lmtp("me.example.net")),
        || Box::new(smtp::Server::lmtp("mail.example.org")),
    ),
    (
        "socks",
        || Box::new(socks::Client::new("www.example.org", 443)),
        || Box::new(socks::Server::new()),
    ),
    (
        "socks password",
        || Box::new(socks::Client::new("::1", 443).password("me", "secret")),
        || Box::new(socks::Server::new().password("me", "secret")),
    ),
    (
        "socks v4",
        || Box::new(socks::Client::v4(Ipv4Addr::LOCALHOST, 443, "me")),
        || Box::new(socks::Server::new()),
    ),
    (
        "socks v4a",
        || Box::new(socks::Client::v4a("www.example.org", 443, "me")),
        || Box::new(socks::Server::new()),
    ),
    (
        "socks with connect and smtp inside",
        || {
            let proxies = socks::Client::new("proxy.example.org", 8080)
                .then(connect::Client::new("mail.example.org", 25));
            Box::new(proxies.then(smtp::Client::new("me.example.net")))
        },
        || {
            let proxies = socks::Server::new().then(connect::Server::new());
            Box::new(proxies.then(smtp::Server::new("mail.example.org")))
        },
    ),
    (
        "telnet",
        || Box::new(telnet::Client::new()),
        || Box::new(telnet::Server::new()),
    ),
    (
        "vencrypt",
        || Box::new(vencrypt::Client::new([Subtype::X509None])),
        || Box::new(vencrypt::Server::new([Subtype::X509None])),
    ),
    (
        "xmpp",
        || Box::new(xmpp::Client::new("example.org")),
        || Box::new(xmpp::Server::new("example.org", "stream-1")),
    ),
    (
        "xmpp s2s",
        || Box::new(xmpp::Client::s2s("example.net", "example.org")),
        || Box::new(xmpp::Server::s2s("example.org", "stream-1")),
    ),
];

#[test]
fn every_protocol_has_a_pair() {
    let paired: BTreeSet<String> = PAIRS
        .iter()
        .filter_map(|(name, ..)| name.split(' ').next().map(str::to_owned))
        .collect();
    assert_eq!(
        paired,
        transcript::protocols().into_iter().collect::<BTreeSet<_>>()
    );
}

/// What either side says in plaintext.
struct Plaintext {
    client: Vec<u8>,
    server: Vec<u8>,
}

/// The dialogue without TLS behind it: both sides come to the same boundary, and leave nothing over.
fn plaintext(name: &str, client: &mut Client, server: &mut Server) -> Plaintext {
    let mut said = Plaintext {
        client: Vec::new(),
        server: Vec::new(),
    };
    let (mut of_client, mut of_server) = (Plain::new(), Plain::new());
    let (mut client_is, mut server_is) = (Progress::NeedInput, Progress::NeedInput);
    // No dialogue has more turns than lines are taken.
    for _ in 0..128 {
        if client_is == Progress::NeedInput {
            client_is = of_client.negotiate(client).expect(name);
        }
        said.client
            .extend(carry(&mut of_client, &mut of_server, usize::MAX));
        if server_is == Progress::NeedInput {
            server_is = of_server.negotiate(server).expect(name);
        }
        said.server
            .extend(carry(&mut of_server, &mut of_client, usize::MAX));
        if client_is != Progress::NeedInput && server_is != Progress::NeedInput {
            // No server's TLS begins before the client's.
            assert_eq!(client_is, Progress::Done(Boundary::Exact), "{name}");
            assert_eq!(of_client.peek(), b"", "{name}");
            assert_eq!(of_server.peek(), b"", "{name}");
            return said;
        }
    }
    panic!("{name}: it does not end");
}

/// One side of an upgrade, until it is through.
enum Side<N: Negotiator> {
    Upgrading(Box<Upgrade<N>>),
    Up(Box<Tls>),
}

impl<N: Negotiator> Side<N> {
    fn new(negotiator: N, connection: N::Tls) -> Self {
        Self::Upgrading(Box::new(Upgrade::new(negotiator, connection)))
    }

    /// All that it has to say now.
    fn output(&mut self, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            match self {
                Self::Upgrading(upgrade) => match upgrade.poll_output() {
                    Ok(Output::Transmit(bytes)) => out.extend(bytes),
                    Ok(Output::NeedInput) => return out,
                    Ok(Output::Upgraded(tls)) => *self = Self::Up(tls),
                    Err(error) => panic!("{name}: {error:?}"),
                },
                Self::Up(tls) => {
                    tls.poll_transmit(&mut out);
                    return out;
                }
            }
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        match self {
            Self::Upgrading(upgrade) => assert_eq!(upgrade.handle_input(bytes), bytes.len()),
            Self::Up(tls) => give(&mut **tls, bytes, usize::MAX),
        }
    }
}

/// What goes from one side to the other.
#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    pending: Vec<u8>,
}

/// Hands over what `from` has to say, in pieces, each of which is looked at before the next one comes; false if there was nothing.
fn step<A: Negotiator, B: Negotiator>(
    name: &str,
    piece: usize,
    (from, wire): (&mut Side<A>, &mut Wire),
    (to, way_back): (&mut Side<B>, &mut Wire),
) -> bool {
    wire.pending.extend(from.output(name));
    let bytes = std::mem::take(&mut wire.pending);
    for piece in bytes.chunks(piece) {
        to.input(piece);
        way_back.pending.extend(to.output(name));
    }
    wire.sent.extend_from_slice(&bytes);
    !bytes.is_empty()
}

#[test]
fn in_memory() {
    for (name, client, server) in PAIRS {
        let plaintext = plaintext(name, &mut client(), &mut server());
        for version in VERSIONS {
            for piece in [1, 7, usize::MAX] {
                let (client_tls, server_tls) = pair_of(version);
                let mut client = Side::new(client(), client_tls);
                let mut server = Side::new(server(), server_tls);
                upgrade(name, piece, &plaintext, &mut client, &mut server);
                let (Side::Up(mut client), Side::Up(mut server)) = (client, server) else {
                    panic!("{name}: it does not come to an end");
                };
                exchange(name, &mut client, &mut server);
                exchange(name, &mut server, &mut client);
            }
        }
    }
}

/// Until nobody has anything to say. On the wire there is the known plaintext and, behind it, nothing but TLS records, in either direction.
fn upgrade<A: Negotiator, B: Negotiator>(
    name: &str,
    piece: usize,
    plaintext: &Plaintext,
    client: &mut Side<A>,
    server: &mut Side<B>,
) {
    let (mut up, mut down) = (Wire::default(), Wire::default());
    loop {
        let asked = step(name, piece, (client, &mut up), (server, &mut down));
        let answered = step(name, piece, (server, &mut down), (client, &mut up));
        if !asked && !answered {
            break;
        }
    }
    for (said, wire) in [(&plaintext.client, up), (&plaintext.server, down)] {
        let (plain, tls) = wire.sent.split_at(said.len());
        assert_eq!(plain, said, "{name}");
        assert!(is_records(tls), "{name}: {}", tls.escape_ascii());
    }
}

/// One or more whole TLS records (RFC 8446 section 5.1), of which the first is of a handshake.
fn is_records(mut bytes: &[u8]) -> bool {
    if bytes.first() != Some(&0x16) {
        return false;
    }
    while let [0x14..=0x17, 0x03, 0x01..=0x03, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(behind) = rest.get(length..) else {
            return false;
        };
        bytes = behind;
    }
    bytes.is_empty()
}

fn exchange(name: &str, from: &mut Tls, to: &mut Tls) {
    assert_eq!(from.write(b"under TLS"), Ok(9), "{name}");
    carry(from, to, usize::MAX);
    assert_eq!(
        drain(to),
        (b"under TLS".to_vec(), Ok(Incoming::NeedInput)),
        "{name}"
    );
}

#[tokio::test]
async fn over_tokio() {
    for (name, client, server) in PAIRS {
        for pipe in [1, 64, 4096] {
            let (near, far) = tokio::io::duplex(pipe);
            let (client_tls, server_tls) = pair_of(VERSIONS[1]);
            let asking = async {
                let stream = PlainStream::new(near);
                let mut tls = stream.upgrade(client(), client_tls).await?;
                tls.write_all(b"under TLS").await?;
                tls.shutdown().await?;
                let mut answer = Vec::new();
                tls.read_to_end(&mut answer).await?;
                Ok::<_, std::io::Error>(answer)
            };
            let asked = async {
                let stream = PlainStream::new(far);
                let mut tls = stream.upgrade(server(), server_tls).await?;
                let mut request = Vec::new();
                tls.read_to_end(&mut request).await?;
                tls.write_all(&request).await?;
                tls.shutdown().await
            };
            let (answer, served) = tokio::join!(asking, asked);
            assert!(served.is_ok(), "{name}: {served:?}");
            assert_eq!(answer.ok().as_deref(), Some(&b"under TLS"[..]), "{name}");
        }
    }
}
