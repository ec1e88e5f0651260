//! What the streams of all adapters have in common and need no I/O for. Each stream must be a type of the crate that implements its runtime's traits for it, so
//! that these are macros: written here, expanded there. They use what has the same name in each: `Stream`, `PlainStream`, `TlsStream`.

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

/// What a function gives that may be a future.
#[doc(hidden)]
#[macro_export]
macro_rules! output {
    (async $output:ty) => { impl Future<Output = $output> };
    (blocking $output:ty) => { $output };
}

/// The body of such a function.
#[doc(hidden)]
#[macro_export]
macro_rules! block {
    (async $block:block) => { async move $block };
    (blocking $block:block) => { $block };
}

/// The methods of an `UpgradeableStream` over [`InPlace`](crate::adapter::InPlace). `$wait` is `.await` and `$kind` is `async` where the others are futures.
#[doc(hidden)]
#[macro_export]
macro_rules! upgradeable_stream_methods {
    (
        $stream:ident<IO $(, $timer:ident: $bound:ident)?>, over ($($io:tt)*),
        $kind:ident ($($wait:tt)*)
    ) => {
        impl<IO $(, $timer: $bound)?> From<PlainStream<IO $(, $timer)?>>
            for $stream<IO $(, $timer)?>
        {
            fn from(plain: PlainStream<IO $(, $timer)?>) -> Self {
                Self {
                    state: $crate::adapter::InPlace::new(plain),
                }
            }
        }

        impl<IO $(, $timer: $bound)?> From<TlsStream<IO $(, $timer)?>>
            for $stream<IO $(, $timer)?>
        {
            fn from(tls: TlsStream<IO $(, $timer)?>) -> Self {
                Self {
                    state: $crate::adapter::InPlace::tls(tls),
                }
            }
        }

        impl<IO $(, $timer: $bound)?> $stream<IO $(, $timer)?> {
            /// A connection in its plaintext phase. To set limits and deadlines, make it [from](From) a [`PlainStream`].
            pub fn new(io: IO) -> Self {
                PlainStream::new(io).into()
            }

            /// The TLS stream, if it is one now: what was negotiated, who the peer is.
            pub fn tls(&self) -> Option<&TlsStream<IO $(, $timer)?>> {
                match &self.state {
                    $crate::adapter::InPlace::Tls(tls) => Some(tls),
                    _ => None,
                }
            }

            /// The TLS stream, if it is one now, to be used as one.
            pub fn tls_mut(&mut self) -> Option<&mut TlsStream<IO $(, $timer)?>> {
                match &mut self.state {
                    $crate::adapter::InPlace::Tls(tls) => Some(tls),
                    _ => None,
                }
            }

            /// The plaintext stream, if it is one now.
            pub fn plain(&self) -> Option<&PlainStream<IO $(, $timer)?>> {
                match &self.state {
                    $crate::adapter::InPlace::Plain(plain) => Some(plain),
                    _ => None,
                }
            }

            /// The plaintext stream, if it is one now, to be used as one.
            pub fn plain_mut(&mut self) -> Option<&mut PlainStream<IO $(, $timer)?>> {
                match &mut self.state {
                    $crate::adapter::InPlace::Plain(plain) => Some(plain),
                    _ => None,
                }
            }

            /// The plaintext stream by itself.
            ///
            /// # Errors
            /// [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is TLS now; why it has ended.
            pub fn into_plain(mut self) -> Result<PlainStream<IO $(, $timer)?>, $crate::Error> {
                self.state.take_plain()
            }

            /// The TLS stream by itself, for instance to be split.
            ///
            /// # Errors
            /// [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is plaintext now; why it has ended.
            pub fn into_tls(mut self) -> Result<TlsStream<IO $(, $timer)?>, $crate::Error> {
                self.state.take_tls()
            }

            /// The transport, to look at; `None` after a failed upgrade.
            pub fn get_ref(&self) -> Option<&IO> {
                match &self.state {
                    $crate::adapter::InPlace::Plain(plain) => Some(plain.get_ref()),
                    $crate::adapter::InPlace::Tls(tls) => Some(tls.get_ref()),
                    $crate::adapter::InPlace::Ended(_) => None,
                }
            }
        }

        impl<IO: $($io)* $(, $timer: $bound)?> $stream<IO $(, $timer)?> {
            /// As [`PlainStream::start_tls`]. If it is abandoned half-done, the connection is closed and every use of the stream an error.
            ///
            /// # Errors
            /// As [`PlainStream::start_tls`]; [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is TLS already.
            pub fn start_tls(
                &mut self,
                connection: impl Into<$crate::rustls::Connection>,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                let connection: Box<$crate::rustls::Connection> = Box::new(connection.into());
                $crate::block!($kind {
                let result = self.state.take_plain()?.start_tls(*connection)$($wait)*;
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::start_tls_with_unread`], and otherwise as [`start_tls`](Self::start_tls).
            ///
            /// # Errors
            /// As [`start_tls`](Self::start_tls), but for what was not read.
            pub fn start_tls_with_unread(
                &mut self,
                connection: impl Into<$crate::rustls::Connection>,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                let connection: Box<$crate::rustls::Connection> = Box::new(connection.into());
                $crate::block!($kind {
                let plain = self.state.take_plain()?;
                let result = plain.start_tls_with_unread(*connection)$($wait)*;
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::accept`] and then `start_tls` with the configuration that `choose` has for the `ClientHello`, and otherwise as
            /// [`start_tls`](Self::start_tls).
            ///
            /// # Errors
            /// As [`start_tls`](Self::start_tls).
            pub fn accept(
                &mut self,
                choose: impl FnOnce($crate::rustls::server::ClientHello<'_>)
                    -> std::sync::Arc<$crate::rustls::ServerConfig>,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                $crate::block!($kind {
                let result = match self.state.take_plain()?.accept()$($wait)* {
                    Ok(mut accepted) => match accepted.client_hello().map(choose) {
                        Some(config) => accepted.start_tls(config)$($wait)*,
                        None => Err($crate::starttls_core::Error::from(
                            $crate::starttls_core::Misuse::Finished,
                        )
                        .into()),
                    },
                    Err(error) => Err(error),
                };
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::upgrade`]. If it is abandoned half-done, the connection is closed and every use of the stream an error.
            ///
            /// # Errors
            /// As [`PlainStream::upgrade`]; [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is TLS already.
            pub fn upgrade<N: $crate::starttls_core::Negotiator>(
                &mut self,
                negotiator: N,
                connection: N::Tls,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                // Large, and needed late.
                let connection = Box::new(connection);
                $crate::block!($kind {
                let plain = self.state.take_plain()?;
                let result = plain.upgrade(negotiator, *connection)$($wait)*;
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::upgrade_opportunistically`]: the reason if the peer has declined, and then the stream goes on in plaintext.
            ///
            /// # Errors
            /// As [`upgrade`](Self::upgrade), but for the peer not offering TLS or refusing it.
            #[must_use = "there may be no TLS"]
            pub fn upgrade_opportunistically<N: $crate::starttls_core::Negotiator>(
                &mut self,
                negotiator: N,
                connection: N::Tls,
            ) -> $crate::output!($kind Result<Option<$crate::starttls_core::Error>, $crate::Error>) {
                // Large, and needed late.
                let connection = Box::new(connection);
                $crate::block!($kind {
                let plain = self.state.take_plain()?;
                match plain.upgrade_opportunistically(negotiator, *connection)$($wait)* {
                    Ok(Opportunistic::Tls(tls)) => self.state.settle_tls(Ok(tls)).map(|()| None),
                    Ok(Opportunistic::Declined { plain, reason }) => {
                        self.state.settle_plain(Ok(plain))?;
                        Ok(Some(reason))
                    }
                    Err(error) => self.state.settle_tls(Err(error)).map(|()| None),
                }
                })
            }

            /// As [`TlsStream::stop_tls`]. If it is abandoned half-done, the connection is closed and every use of the stream an error.
            ///
            /// # Errors
            /// As [`TlsStream::stop_tls`]; [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is plaintext already.
            pub fn stop_tls(&mut self) -> $crate::output!($kind Result<(), $crate::Error>) {
                $crate::block!($kind {
                let result = self.state.take_tls()?.stop_tls()$($wait)*;
                self.state.settle_plain(result)
                })
            }

            /// Reads a line of at most `limit` bytes, as [`PlainStream::next_line`] and [`TlsStream::next_line`].
            ///
            /// # Errors
            /// As there.
            pub fn next_line(
                &mut self,
                limit: usize,
            ) -> $crate::output!($kind Result<Option<Vec<u8>>, $crate::Error>) {
                $crate::block!($kind {
                match &mut self.state {
                    $crate::adapter::InPlace::Plain(plain) => plain.next_line(limit)$($wait)*,
                    $crate::adapter::InPlace::Tls(tls) => tls.next_line(limit)$($wait)*,
                    $crate::adapter::InPlace::Ended(error) => Err(error.clone()),
                }
                })
            }
        }
    };
}

/// Types, methods and errors of the halves of an async stream over [`Half`](crate::adapter::Half).
#[doc(hidden)]
#[macro_export]
macro_rules! halves {
    () => {
        /// The half of a stream that one task reads. It is buffered as the stream is.
        #[derive(Debug)]
        pub struct ReadHalf<S>($crate::adapter::Half<S>);

        /// The half of a stream that one task writes.
        #[derive(Debug)]
        pub struct WriteHalf<S>($crate::adapter::Half<S>);

        /// Two halves that were not made of one stream; here they are again.
        #[derive(Debug)]
        pub struct ReuniteError<S>(pub ReadHalf<S>, pub WriteHalf<S>);

        pub(crate) fn split<S>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
            let (read, write) = $crate::adapter::Half::pair(stream);
            (ReadHalf(read), WriteHalf(write))
        }

        impl<S> ReadHalf<S> {
            /// They are the halves of one stream.
            pub fn is_pair_of(&self, writer: &WriteHalf<S>) -> bool {
                self.0.is_pair(&writer.0)
            }

            /// The stream again.
            ///
            /// # Errors
            /// If the halves are not those of one stream.
            pub fn reunite(self, writer: WriteHalf<S>) -> Result<S, ReuniteError<S>> {
                self.0
                    .reunite(writer.0)
                    .map_err(|(read, write)| ReuniteError(ReadHalf(read), WriteHalf(write)))
            }
        }

        impl<S> std::fmt::Display for ReuniteError<S> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the halves of two different streams")
            }
        }

        impl<S: std::fmt::Debug> std::error::Error for ReuniteError<S> {}
    };
}
