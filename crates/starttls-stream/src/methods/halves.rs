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
