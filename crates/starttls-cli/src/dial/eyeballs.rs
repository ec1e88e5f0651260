//! Connecting to whichever address of a name answers first (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long an address has before the next is tried beside it (RFC 8305 section 5 recommends 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to a name or an address. IPv6 and IPv4 take turns, the first to answer wins, and the others are given up.
pub(crate) async fn dial(name: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = alternating(lookup_host((name, port)).await?);
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        attempts.spawn(TcpStream::connect(address));
        tokio::select! {
            Some(done) = attempts.join_next() => match done {
                Ok(Ok(socket)) => return ready(socket),
                Ok(Err(error)) => last = error,
                Err(_) => {}
            },
            () = sleep(STAGGER) => {}
        }
    }
    while let Some(done) = attempts.join_next().await {
        match done {
            Ok(Ok(socket)) => return ready(socket),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

fn ready(socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// The families in turn, each in the order of the resolver, beginning with the family that it prefers (RFC 8305 section 4).
fn alternating(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut sorted = Vec::new();
    loop {
        let pair = [preferred.next(), others.next()];
        if pair == [None, None] {
            return sorted;
        }
        sorted.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let address = |text: &str| format!("{text}:25").parse::<SocketAddr>().unwrap();
        let [a, b, c, d] = ["[::1]", "[::2]", "[::3]", "1.1.1.1"].map(address);
        assert_eq!(alternating([a, b, c, d]), [a, d, b, c]);
        assert_eq!(alternating([d, a]), [d, a]);
        assert_eq!(alternating([]), []);
    }

    #[tokio::test]
    async fn a_name_with_a_dead_address_is_reached_at_the_other() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Of `localhost`, ::1 refuses if it is there at all.
        let socket = dial("localhost", port).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap().port(), port);
    }
}
