//! What the fuzz targets share.

use std::sync::{Arc, LazyLock};

use starttls_core::rustls::pki_types::PrivateKeyDer;
use starttls_core::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};
use starttls_core::{Boundary, Error, Negotiator, Phase, Plain, Progress};
use starttls_protocols::registry::{ClientOptions, Protocol, ServerOptions};

static CONFIGS: LazyLock<(Arc<ClientConfig>, Arc<ServerConfig>)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("rcgen");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("PKCS#8");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("our own");
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    (Arc::new(client), Arc::new(server))
});

/// A client that trusts [`server`].
pub fn client() -> ClientConnection {
    let name = "localhost".try_into().expect("a name");
    ClientConnection::new(CONFIGS.0.clone(), name).expect("valid")
}

/// A server for `localhost`.
pub fn server() -> ServerConnection {
    ServerConnection::new(CONFIGS.1.clone()).expect("valid")
}

/// A negotiator of either role, chosen by one byte.
pub enum Any {
    /// A client's.
    Client(Box<dyn Negotiator<Tls = ClientConnection> + Send>),
    /// A server's.
    Server(Box<dyn Negotiator<Tls = ServerConnection> + Send>),
}

impl Any {
    /// Every number is one; the roles and the optional servers take turns.
    pub fn of(number: u8) -> Self {
        let number = usize::from(number);
        let protocol = Protocol::ALL[number / 3 % Protocol::ALL.len()];
        let server = |options: ServerOptions| {
            let options = options.random([7; 20]);
            protocol.server(&options).map(Self::Server)
        };
        let any = match number % 3 {
            0 => {
                let options = ClientOptions::new("mail.example.org").port(25);
                protocol.client(&options).map(Self::Client)
            }
            1 => server(ServerOptions::new("mail.example.org")),
            // Where a protocol has no such server, the one that demands TLS.
            _ => server(ServerOptions::new("mail.example.org").optional())
                .or_else(|_| server(ServerOptions::new("mail.example.org"))),
        };
        any.expect("the options have what each of them needs")
    }

    /// As `Upgrade` asks it.
    pub fn negotiate(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        match self {
            Self::Client(negotiator) => plain.negotiate(negotiator),
            Self::Server(negotiator) => plain.negotiate(negotiator),
        }
    }
}

/// Hands `input` to a negotiator in pieces of so many bytes, over and over the same lengths.
pub fn deliver(number: u8, input: &[u8], lengths: &[u8]) -> Outcome {
    let (mut negotiator, mut plain, mut sent) = (Any::of(number), Plain::new(), Vec::new());
    let mut progress = negotiator.negotiate(&mut plain);
    plain.poll_transmit(&mut sent);
    let mut rest = input;
    let mut lengths = lengths.iter().cycle();
    while !rest.is_empty() && progress == Ok(Progress::NeedInput) {
        let wanted = lengths
            .next()
            .map_or(usize::MAX, |length| usize::from(*length) + 1);
        let piece = &rest[..wanted.min(rest.len())];
        let taken = plain.handle_input(piece);
        assert!(taken > 0, "it wants more and has no room");
        rest = &rest[taken..];
        progress = negotiator.negotiate(&mut plain);
        plain.poll_transmit(&mut sent);
    }
    // What it comes to is final.
    if progress != Ok(Progress::NeedInput) {
        let again = negotiator.negotiate(&mut plain);
        assert_eq!(again, progress);
        assert!(
            !plain.poll_transmit(&mut Vec::new()),
            "it says something more"
        );
    }
    Outcome {
        left: plain.peek().len() + rest.len(),
        progress,
        sent,
    }
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub progress: Result<Progress, Error>,
    /// Everything it has said.
    pub sent: Vec<u8>,
    /// How much of the input it has not used.
    pub left: usize,
}

impl Outcome {
    /// It went ahead, and bytes are left that came without a go-ahead.
    pub fn went_ahead(&self) -> bool {
        self.left > 0 && matches!(self.progress, Ok(Progress::Done(Boundary::Exact)))
    }

    /// The negotiator itself has seen what must not be behind the boundary: an injection, or a server that changes its mind behind its greeting.
    pub fn held_back(&self) -> bool {
        matches!(
            self.progress,
            Err(Error::UnreadPlaintext { .. } | Error::Goodbye(_))
        )
    }
}
