use crate::binding::{Binding, Connect, Sockets};
use crate::measures::Measure;
use crate::report::{Label, Role};

mod blocking;
mod futures_rows;
mod on_futures_io;
mod on_tokio;
mod plaintext;
mod tokio_rows;
mod upgrades;

#[cfg(feature = "openssl")]
mod on_openssl;
#[cfg(feature = "openssl")]
pub(crate) use on_openssl::OpenSsl;

pub(crate) use on_tokio::{Buffered, PlainStarttls, StarttlsTokio, TokioRustls};

/// A binding on a runtime, and what is measured with it.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) label: Label,
    pub(crate) measures: &'static [Measure],
    pub(crate) connect: Connect,
}

/// What the rows of one group have in common.
#[derive(Clone, Copy)]
struct Group {
    name: &'static str,
    measures: &'static [Measure],
}

impl Group {
    fn row<B: Binding<R::Io>, R: Sockets>(self, role: Role, name: &'static str) -> Row {
        Row {
            label: Label {
                name,
                group: self.name,
                role,
            },
            measures: self.measures,
            connect: Connect::new::<B, R>(),
        }
    }
}

pub(crate) fn rows() -> Vec<Row> {
    [
        tokio_rows::rows(),
        futures_rows::rows(),
        blocking::rows(),
        plaintext::rows(),
        upgrades::rows(),
    ]
    .concat()
}
