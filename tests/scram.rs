//! SCRAM-SHA-256-PLUS with the channel bindings of a connection: the SCRAM is rsasl's.

use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::config::SASLConfig;
use rsasl::mechanisms::scram::SCRAM_SHA256_PLUS;
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechanisms::scram::tools::{derive_keys, hash_password};
use rsasl::mechname::Mechname;
use rsasl::prelude::{Mechanism, Registry, SASLClient, SASLServer, Session, SessionError};
use rsasl::property::{AuthId, ChannelBindingName, ChannelBindings, OverrideCBType, Password};
use rsasl::validate::{Validate, Validation, ValidationError};
use sha2::{Digest, Sha256};
use starttls_policy::binding::{BindingType, Bindings};

/// The mechanism.
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";

static MECHANISMS: &[Mechanism] = &[SCRAM_SHA256_PLUS];

const ITERATIONS: u32 = 4096;
const SALT: &[u8] = b"a salt of ours, 24 bytes";

/// Gives the data of the binding that rsasl names, if it asks for that and the connection has it.
fn bind(
    bindings: &Bindings,
    context: &Context<'_>,
    request: &mut Request<'_>,
) -> Result<(), SessionError> {
    let kind = context
        .get_ref::<ChannelBindingName>()
        .and_then(|name| name.parse().ok());
    if let Some(binding) = kind.and_then(|kind| bindings.get(kind)) {
        request.satisfy::<ChannelBindings>(binding.data())?;
    }
    Ok(())
}

/// One side of a login.
pub struct Login<V: Validation>(Session<V>);

/// The client's.
pub type ClientLogin = Login<rsasl::validate::NoValidation>;

/// The server's.
pub type ServerLogin = Login<Done>;

impl<V: Validation> std::fmt::Debug for Login<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl<V: Validation> Login<V> {
    /// The next message, after the peer's.
    ///
    /// # Errors
    /// Why the login fails.
    pub fn step(&mut self, input: Option<&[u8]>) -> Result<Vec<u8>, SessionError> {
        let mut output = Vec::new();
        self.0.step(input, &mut output)?;
        Ok(output)
    }
}

/// What a server knows in the end.
#[derive(Debug)]
pub struct Done;

impl Validation for Done {
    type Value = ();
}

impl ServerLogin {
    /// Whether the client has logged in.
    pub fn is_done(&mut self) -> bool {
        self.0.validation().is_some()
    }
}

struct Client {
    user: &'static str,
    bindings: Bindings,
    kind: BindingType,
}

impl SessionCallback for Client {
    fn enable_channel_binding(&self) -> bool {
        true
    }

    fn callback(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        bind(&self.bindings, context, request)?;
        request
            .satisfy::<AuthId>(self.user)?
            .satisfy::<Password>(b"secret")?
            .satisfy::<OverrideCBType>(self.kind.name())?;
        Ok(())
    }
}

/// A client that logs in with the password `secret`, bound to the channel by this binding.
pub fn client(user: &'static str, bindings: Bindings, kind: BindingType) -> ClientLogin {
    let config = SASLConfig::builder()
        .with_registry(Registry::with_mechanisms(MECHANISMS))
        .with_callback(Client {
            user,
            bindings,
            kind,
        })
        .expect("mechanisms");
    let mechanism = Mechname::parse(PLUS.as_bytes()).expect("a name");
    let session = SASLClient::new(config).start_suggested(&[mechanism]);
    Login(session.expect("the mechanism"))
}

struct Server {
    bindings: Bindings,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl SessionCallback for Server {
    fn callback(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        bind(&self.bindings, context, request)?;
        request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
            ITERATIONS,
            SALT,
            &self.stored_key,
            &self.server_key,
        ))?;
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        _: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        validate.with::<Done, _>(|| Ok(()))?;
        Ok(())
    }
}

/// A server that knows every user's password, `secret`, and takes the bindings of this channel alone.
pub fn server(bindings: Bindings) -> ServerLogin {
    let mut salted = Default::default();
    hash_password::<Sha256>(b"secret", ITERATIONS, SALT, &mut salted);
    let (client_key, server_key) = derive_keys::<Sha256>(salted.as_slice());
    let config = SASLConfig::builder()
        .with_registry(Registry::with_mechanisms(MECHANISMS))
        .with_callback(Server {
            bindings,
            stored_key: Sha256::digest(client_key).to_vec(),
            server_key: server_key.to_vec(),
        })
        .expect("mechanisms");
    let mechanism = Mechname::parse(PLUS.as_bytes()).expect("a name");
    let session = SASLServer::<Done>::new(config).start_suggested(mechanism);
    Login(session.expect("the mechanism"))
}
