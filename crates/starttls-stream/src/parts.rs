/// What `into_parts` of a plaintext stream gives back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<IO> {
    /// The transport.
    pub io: IO,
    /// Bytes read from it that nobody has read from the stream.
    pub unread: Vec<u8>,
    /// Bytes written to the stream that were not written to it.
    pub unsent: Vec<u8>,
}

impl<IO> Parts<IO> {
    #[doc(hidden)]
    pub fn new(io: IO, (unread, unsent): (Vec<u8>, Vec<u8>)) -> Self {
        Self { io, unread, unsent }
    }
}

/// What `into_parts` of a TLS stream gives back, for those who go on with the connection by other means: kernel TLS, another process.
#[derive(Debug)]
#[non_exhaustive]
pub struct TlsParts<IO> {
    /// The transport.
    pub io: IO,
    /// rustls' connection, with what was received and not read and what was not sent.
    pub tls: starttls_core::TlsParts,
}

impl<IO> TlsParts<IO> {
    #[doc(hidden)]
    pub fn new(io: IO, tls: starttls_core::TlsParts) -> Self {
        Self { io, tls }
    }
}
