//! What a `Server` does for those who run it: a cap on connections, a stop of which handlers hear, deadlines for all its connections, a certificate that is
//! replaced.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use starttls_core::rustls::ServerConfig;
use starttls_core::rustls::crypto::aws_lc_rs::default_provider;
use starttls_core::rustls::sign::CertifiedKey;
use starttls_stream::{Deadlines, Error, PlainStream, ReplaceableCertificate, Server, Waiting};
use starttls_tests::certs::{CERTS, Leaf, client, client_of, server_of};

/// How many are at work now, and the most that ever were.
#[derive(Default)]
struct AtWork {
    now: AtomicUsize,
    most: AtomicUsize,
    done: AtomicUsize,
}

impl AtWork {
    fn begin(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.done.fetch_add(1, Ordering::SeqCst);
    }
}

/// So many clients at once, each of which is told "hi" and then "bye".
fn clients(number: usize, addr: SocketAddr) {
    thread::scope(|scope| {
        for _ in 0..number {
            scope.spawn(|| {
                let mut heard = String::new();
                let mut socket = TcpStream::connect(addr).unwrap();
                socket.read_to_string(&mut heard).unwrap();
                assert_eq!(heard, "hi\nbye\n");
            });
        }
    });
}

/// One that hears "hi", then lets the server stop, and hears "bye".
fn last_client(addr: SocketAddr, stop: impl FnOnce()) {
    let mut socket = TcpStream::connect(addr).unwrap();
    let mut heard = [0; 3];
    socket.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hi\n");
    stop();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "bye\n");
}

macro_rules! asynchronous {
    ($test:ident, $adapter:ident, $write:path, run $run:expr, sleep $sleep:path) => {
        #[test]
        fn $test() {
            use $write as _;
            let run: fn(Task) = $run;
            let (at_work, (stop, stopped)) = (Arc::new(AtWork::default()), channel::<()>());
            let (tell, told) = channel();
            let serving = {
                let at_work = at_work.clone();
                thread::spawn(move || {
                    run(Box::pin(async move {
                        let server = $adapter::Server::bind("127.0.0.1:0").await.unwrap();
                        let server = server.with_most_connections(2);
                        tell.send(server.local_addr().unwrap()).unwrap();
                        let stopping = server.stopping();
                        let handler = move |mut plain: $adapter::PlainStream<_>, _| {
                            let (at_work, stopping) = (at_work.clone(), stopping.clone());
                            async move {
                                at_work.begin();
                                plain.write_all(b"hi\n").await.unwrap();
                                plain.flush().await.unwrap();
                                if at_work.done.load(Ordering::SeqCst) < 10 {
                                    $sleep(Duration::from_millis(20)).await;
                                } else {
                                    stopping.stopped().await;
                                }
                                plain.write_all(b"bye\n").await.unwrap();
                                plain.flush().await.unwrap();
                                at_work.end();
                            }
                        };
                        let stop = async move {
                            while stopped.try_recv()
                                != Err(std::sync::mpsc::TryRecvError::Disconnected)
                            {
                                $sleep(Duration::from_millis(5)).await;
                            }
                        };
                        server.serve(handler, stop).await;
                    }));
                })
            };
            let addr = told.recv().unwrap();
            clients(10, addr);
            assert_eq!(at_work.most.load(Ordering::SeqCst), 2);
            last_client(addr, || drop(stop));
            serving.join().unwrap();
        }
    };
}

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

const TOKIO: fn(Task) = |task| tokio::runtime::Runtime::new().unwrap().block_on(task);
const SMOL: fn(Task) = |task| smol::block_on(task);
const ASYNC_STD: fn(Task) = |task| async_std::task::block_on(task);

async fn smol_sleep(limit: Duration) {
    smol::Timer::after(limit).await;
}

asynchronous!(
    on_tokio, starttls_tokio, tokio::io::AsyncWriteExt,
    run TOKIO, sleep tokio::time::sleep
);
asynchronous!(on_smol, starttls_smol, smol::io::AsyncWriteExt, run SMOL, sleep smol_sleep);
asynchronous!(
    on_async_std, starttls_async_std, futures_util::AsyncWriteExt,
    run ASYNC_STD, sleep async_std::task::sleep
);

#[test]
fn on_threads() {
    let at_work = AtWork::default();
    let (stop, stopped) = channel::<()>();
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .with_most_connections(2);
    let (addr, stopping) = (server.local_addr().unwrap(), server.stopping());
    thread::scope(|scope| {
        let at_work = &at_work;
        let serving = scope.spawn(move || {
            let handler = |mut plain: PlainStream<TcpStream>, _| {
                at_work.begin();
                plain.write_all(b"hi\n").unwrap();
                plain.flush().unwrap();
                if at_work.done.load(Ordering::SeqCst) < 10 {
                    thread::sleep(Duration::from_millis(20));
                } else {
                    stopping.wait();
                }
                plain.write_all(b"bye\n").unwrap();
                plain.flush().unwrap();
                at_work.end();
            };
            server.serve(handler, move || {
                let _ = stopped.recv();
            })
        });
        clients(10, addr);
        assert_eq!(at_work.most.load(Ordering::SeqCst), 2);
        last_client(addr, || drop(stop));
        serving.join().unwrap().unwrap();
    });
}

/// A client that says nothing does not hold a handler for ever, though that has a dialogue of its own.
#[test]
fn a_silent_client_meets_the_deadline_of_the_dialogue() {
    let deadlines = Deadlines::default().dialogue(Duration::from_millis(100));
    let server = Server::bind("127.0.0.1:0")
        .unwrap()
        .with_deadlines(deadlines);
    let addr = server.local_addr().unwrap();
    let (tell, told) = channel();
    thread::scope(|scope| {
        let (stop, stopped) = channel::<()>();
        let handler = |mut plain: PlainStream<TcpStream>, _| {
            tell.send(plain.next_line(100).unwrap_err()).unwrap();
        };
        let serving = scope.spawn(move || {
            server.serve(handler, move || {
                let _ = stopped.recv();
            })
        });
        let _silent = TcpStream::connect(addr).unwrap();
        let Error::Deadline { waiting, heard, .. } = told.recv().unwrap() else {
            panic!("no deadline");
        };
        assert_eq!((waiting, heard), (Waiting::Negotiation, false));
        drop(stop);
        serving.join().unwrap().unwrap();
    });
}

/// New handshakes have the new certificate, and what is up stays up.
#[tokio::test]
async fn a_certificate_is_replaced() {
    let certified = |leaf: &Leaf| {
        let chain = vec![leaf.certificate.clone()];
        CertifiedKey::from_der(chain, leaf.key(), &default_provider()).unwrap()
    };
    let certificate = Arc::new(ReplaceableCertificate::new(certified(&CERTS.server)));
    let config = Arc::new(
        ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone()),
    );
    let handshake = async |to: starttls_core::rustls::ClientConnection| {
        let (here, there) = tokio::io::duplex(4096);
        tokio::try_join!(
            starttls_tokio::PlainStream::new(here).start_tls(to),
            starttls_tokio::PlainStream::new(there).start_tls(server_of(&config))
        )
    };
    let (mut old, mut old_server) = handshake(client()).await.unwrap();
    certificate.replace(certified(&CERTS.other));
    // That one is for another name.
    assert!(handshake(client()).await.is_err());
    let untrusting = Arc::new(starttls_tests::certs::client_config_without_roots());
    assert!(handshake(client_of(&untrusting)).await.is_err());
    certificate.replace(certified(&CERTS.server));
    handshake(client()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut old_server, b"up\n")
        .await
        .unwrap();
    assert_eq!(old.next_line(3).await.unwrap().unwrap(), b"up");
}
