/// The methods of a `PlainStream`.
#[doc(hidden)]
#[macro_export]
macro_rules! plain_stream_methods {
    ($stream:ident<IO $(, $timer:ident: $bound:ident)?>) => {
        impl<IO $(, $timer: $bound)?> $stream<IO $(, $timer)?> {
            /// A connection on which nothing was read yet.
            pub fn new(io: IO) -> Self {
                Self::with_limits(io, $crate::starttls_core::Limits::default())
            }

            /// The same with other limits, such as how much is read ahead (64 KiB by default).
            pub fn with_limits(io: IO, limits: $crate::starttls_core::Limits) -> Self {
                Self {
                    inner: Stream::new(io, $crate::adapter::Driver::plain(limits)),
                }
            }

            /// A connection from which somebody else has already read `prefix`.
            pub fn with_prefix(io: IO, prefix: &[u8]) -> Self {
                Self::with_prefix_and_limits(io, prefix, $crate::starttls_core::Limits::default())
            }

            /// The same with other limits, to which `prefix` is not subject.
            pub fn with_prefix_and_limits(
                io: IO,
                prefix: &[u8],
                limits: $crate::starttls_core::Limits,
            ) -> Self {
                Self {
                    inner: Stream::new(io, $crate::adapter::Driver::with_prefix(prefix, limits)),
                }
            }

            /// Sets how long upgrading and closing may take, for this and for the TLS stream that it becomes.
            #[must_use]
            pub fn with_deadlines(mut self, deadlines: $crate::Deadlines) -> Self {
                self.inner.deadlines = deadlines;
                self
            }

            /// The transport, to look at. Reading from it or writing to it breaks the order of bytes.
            pub fn get_ref(&self) -> &IO {
                &self.inner.io
            }

            /// What was received and nobody has read yet.
            pub fn buffered(&self) -> &[u8] {
                self.inner.driver.buffered()
            }

            /// The transport, with the bytes that are neither in it nor with anybody.
            #[doc(alias = "into_inner")]
            pub fn into_parts(self) -> $crate::Parts<IO> {
                let (io, driver, early) = self.inner.into_inner();
                let (mut unread, unsent) = driver.into_parts();
                unread.extend(early);
                $crate::Parts::new(io, (unread, unsent))
            }
        }

        $crate::handle_of_the_transport!($stream<IO $(, $timer: $bound)?>);
    };
}

/// The methods of a `TlsStream`.
#[doc(hidden)]
#[macro_export]
macro_rules! tls_stream_methods {
    ($stream:ident<IO $(, $timer:ident: $bound:ident)?>) => {
        impl<IO $(, $timer: $bound)?> $stream<IO $(, $timer)?> {
            /// Sets how long closing may take.
            #[must_use]
            pub fn with_deadlines(mut self, deadlines: $crate::Deadlines) -> Self {
                self.inner.deadlines = deadlines;
                self
            }

            /// The transport, to look at. Reading from it or writing to it breaks the connection.
            pub fn get_ref(&self) -> &IO {
                &self.inner.io
            }

            /// What was negotiated and who the peer is: version, cipher suite, ALPN, certificates, exporter; `server_name()` of a server's.
            #[doc(alias = "alpn_protocol")]
            #[doc(alias = "peer_certificates")]
            pub fn connection(&self) -> &$crate::rustls::Connection {
                self.inner.driver.phase().connection()
            }

            /// The channel binding `tls-exporter` (RFC 9266), with TLS 1.3.
            pub fn tls_exporter(&self) -> Option<[u8; 32]> {
                self.inner.driver.phase().tls_exporter()
            }

            /// The channel bindings that this connection has, best first. A server's does not know its own certificate: see
            /// [`channel_bindings_with`](Self::channel_bindings_with).
            #[cfg(feature = "policy")]
            pub fn channel_bindings(&self) -> $crate::starttls_policy::binding::Bindings {
                $crate::starttls_policy::binding::Bindings::of(self.inner.driver.phase())
            }

            /// The same for a server that has shown this certificate: `RememberCertificate` of `starttls-policy` knows which.
            #[cfg(feature = "policy")]
            pub fn channel_bindings_with(
                &self,
                own: Option<&$crate::rustls::pki_types::CertificateDer<'_>>,
            ) -> $crate::starttls_policy::binding::Bindings {
                $crate::starttls_policy::binding::Bindings::with_certificate(
                    self.inner.driver.phase(),
                    own,
                )
            }

            /// Encrypts under new keys from the next write on, and asks the peer to do so too (`KeyUpdate`, RFC 8446 section 4.6.3). The request leaves with
            /// the next write or flush.
            ///
            /// # Errors
            /// The one that ended TLS; with TLS 1.2 there are no new keys to be had.
            pub fn refresh_traffic_keys(&mut self) -> Result<(), $crate::Error> {
                self.inner.driver.refresh_traffic_keys()
            }

            /// Takes the stream apart, for those who go on by other means: kernel TLS, another process.
            #[doc(alias = "into_inner")]
            pub fn into_parts(self) -> $crate::TlsParts<IO> {
                let (io, driver, early) = self.inner.into_inner();
                let mut tls = driver.into_parts();
                tls.received.extend(early);
                $crate::TlsParts::new(io, tls)
            }
        }

        $crate::handle_of_the_transport!($stream<IO $(, $timer: $bound)?>);
    };
}

/// The descriptor or socket of the transport, where it has one: to wait for it, or to set options. Reading from it or writing to it breaks the connection.
#[doc(hidden)]
#[macro_export]
macro_rules! handle_of_the_transport {
    ($stream:ident<IO $(, $timer:ident: $bound:ident)?>) => {
        #[cfg(unix)]
        impl<IO: std::os::fd::AsFd $(, $timer: $bound)?> std::os::fd::AsFd
            for $stream<IO $(, $timer)?>
        {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.get_ref().as_fd()
            }
        }

        #[cfg(unix)]
        impl<IO: std::os::fd::AsRawFd $(, $timer: $bound)?> std::os::fd::AsRawFd
            for $stream<IO $(, $timer)?>
        {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.get_ref().as_raw_fd()
            }
        }

        #[cfg(windows)]
        impl<IO: std::os::windows::io::AsSocket $(, $timer: $bound)?> std::os::windows::io::AsSocket
            for $stream<IO $(, $timer)?>
        {
            fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
                self.get_ref().as_socket()
            }
        }

        #[cfg(windows)]
        impl<IO: std::os::windows::io::AsRawSocket $(, $timer: $bound)?>
            std::os::windows::io::AsRawSocket for $stream<IO $(, $timer)?>
        {
            fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
                self.get_ref().as_raw_socket()
            }
        }
    };
}
