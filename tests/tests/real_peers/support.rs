//! Programs on both sides: where they are, how to run them, and what to trust.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use starttls_core::rustls::pki_types::pem::PemObject;
use starttls_core::rustls::pki_types::{CertificateDer, UnixTime};
use starttls_core::rustls::time_provider::TimeProvider;
use starttls_core::rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, crypto, version,
};

/// How long a program may take: much longer than any does.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file of the peers: `ca.pem`, `server.pem`, `server.key`.
pub(crate) fn file(name: &str) -> PathBuf {
    let dir = std::env::var_os("PEERS_DIR").expect("PEERS_DIR: run this by tests/peers/run");
    PathBuf::from(dir).join(name)
}

/// The port of a peer, by the offset that `tests/peers/peers.sh` gives it.
pub(crate) fn port(offset: u16) -> u16 {
    let base = std::env::var("PEERS_BASE").map_or(21_000, |base| base.parse().expect("a number"));
    base + offset
}

/// One of our examples, as built by `cargo build --examples`.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a path");
    let target = test.ancestors().nth(2).expect("target/debug/deps/this");
    Command::new(target.join("examples").join(name))
}

/// A Python script of `tests/peers/python`.
pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("peers/python")
                .join(name),
        )
        .env("PYTHONUNBUFFERED", "1");
    command
}

/// What `peers.sh` has installed where nobody else looks.
fn peers_home() -> PathBuf {
    std::env::var("PEERS_HOME")
        .unwrap_or("/tmp/starttls-peers/opt".to_owned())
        .into()
}

/// A package that `peers.sh` has only unpacked.
pub(crate) fn unpacked(package: &str) -> PathBuf {
    peers_home().join("x").join(package)
}

/// A Python script of `tests/peers/python`, with the packages that `peers.sh` has installed for it.
pub(crate) fn peers_python(name: &str) -> Command {
    let mut command = Command::new(peers_home().join("venv/bin/python"));
    command.arg(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("peers/python")
            .join(name),
    );
    command
}

/// Waits for something that a program does in its own time.
pub(crate) fn until(it_is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !it_is_so() {
        assert!(start.elapsed() < PATIENCE, "it does not come about");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The peers' authority in a folder as NBD clients want it.
pub(crate) fn client_files() -> PathBuf {
    let folder = file("nbd-client");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::copy(file("ca.pem"), folder.join("ca-cert.pem")).expect("a copy");
    folder
}

/// A port on which nobody listens.
pub(crate) fn unused_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    /// What it says, line by line.
    lines: Receiver<String>,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Server {
    /// Starts it and waits until it says `listening` and where.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        // A thread, so that what it says does not fill its pipe.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let first = lines.recv_timeout(PATIENCE).expect("a line");
        let port = first
            .strip_prefix("listening ")
            .and_then(|at| at.rsplit(':').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{command:?} says {first:?}"));
        Self { child, lines, port }
    }

    /// One of our example servers with the peers' certificate.
    pub(crate) fn ours(name: &str, arguments: &[&str]) -> Self {
        let mut command = example(name);
        command
            .arg("--cert")
            .arg(file("server.pem"))
            .arg("--key")
            .arg(file("server.key"))
            .args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        Self::start(&mut command)
    }

    /// Our example server of any protocol.
    pub(crate) fn of(protocol: &str, arguments: &[&str]) -> Self {
        let protocol = ["--protocol", protocol];
        Self::ours("starttls_server", &[&protocol, arguments].concat())
    }

    /// Waits until it says this, and gives the line.
    pub(crate) fn says(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the server does not say {words:?}"));
            if line.contains(words) {
                return line;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer of `tests/peers/peers.sh` that a test starts for itself, with other settings than the one that runs already; it runs until this is dropped.
pub(crate) struct Second {
    name: &'static str,
}

/// The names of those that run.
static RUNNING: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
/// Something was taken out of [`RUNNING`].
static STOPPED: Condvar = Condvar::new();

impl Second {
    /// Starts it, when no other test has one of this name.
    pub(crate) fn start(name: &'static str, settings: &[(&str, &str)]) -> Self {
        let running = RUNNING.lock().unwrap();
        let (mut running, waited) = STOPPED
            .wait_timeout_while(running, PATIENCE, |running| running.contains(name))
            .unwrap();
        assert!(!waited.timed_out(), "a test does not let go of {name}");
        running.insert(name);
        drop(running);
        // From here on it is stopped, also when starting fails.
        let second = Self { name };
        must_say(
            Self::peers("start", name).envs(settings.iter().copied()),
            &["started"],
        );
        second
    }

    /// Starts a server that has no TLS.
    pub(crate) fn without_tls(name: &'static str) -> Self {
        Self::start(name, &[("PEERS_TLS", "off")])
    }

    /// Its port, by the offset that `tests/peers/peers.sh` gives it.
    pub(crate) fn port(&self, offset: u16) -> u16 {
        Self::base() + offset
    }

    fn base() -> u16 {
        port(0) - 10_000
    }

    fn peers(what: &str, name: &str) -> Command {
        let mut peers = Command::new("bash");
        peers
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers/peers.sh"))
            .env("PEERS_BASE", Self::base().to_string());
        let dir = file("second");
        match what {
            "stop" => peers.arg(what).arg(dir).arg(name),
            _ => peers.args([what, name]).arg(dir),
        };
        peers
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let (good, said) = run(&mut Self::peers("stop", self.name));
        RUNNING.lock().unwrap().remove(self.name);
        STOPPED.notify_all();
        if !good && !thread::panicking() {
            panic!("{}: {said}", self.name);
        }
    }
}

/// A program that goes on until this is dropped.
pub(crate) struct Program {
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    /// Starts it, with a standard input on which nothing ever comes.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("piped")),
            Box::new(child.stderr.take().expect("piped")),
        ];
        for mut stream in streams {
            let shown = shown.clone();
            thread::spawn(move || {
                let mut buf = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buf) {
                    shown.lock().unwrap().extend_from_slice(&buf[..n]);
                }
            });
        }
        Self { child, shown }
    }

    /// Sends what the terminal sends for Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().to_string();
        must_say(Command::new("kill").args(["-INT", &id]), &[]);
    }

    /// Waits until it shows these words, and gives everything that it has shown.
    pub(crate) fn shows(&self, words: &str) -> String {
        let shown = || String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned();
        let start = Instant::now();
        while !shown().contains(words) {
            assert!(
                start.elapsed() < PATIENCE,
                "it does not show {words:?}:\n{}",
                shown()
            );
            thread::sleep(Duration::from_millis(20));
        }
        shown()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, with nothing or something on its standard input; both outputs as one text.
///
/// # Panics
/// If it takes too long.
pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (sender, receiver) = mpsc::channel();
    let streams: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().expect("piped")),
        Box::new(child.stderr.take().expect("piped")),
    ];
    for mut stream in streams {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
    }
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("{command:?} does not end");
        }
        thread::sleep(Duration::from_millis(10));
    };
    let output: Vec<u8> = (0..2)
        .filter_map(|_| receiver.recv_timeout(PATIENCE).ok())
        .flatten()
        .collect();
    (
        status.success(),
        String::from_utf8_lossy(&output).into_owned(),
    )
}

/// Runs a program that must succeed and say all of these.
pub(crate) fn must_say(command: &mut Command, words: &[&str]) -> String {
    let (good, said) = run(command);
    assert!(good, "{command:?} fails:\n{said}");
    for word in words {
        assert!(
            said.contains(word),
            "{command:?} does not say {word:?}:\n{said}"
        );
    }
    said
}

/// Runs a program that must fail and say this.
pub(crate) fn must_fail(command: &mut Command, words: &str) -> String {
    let (good, said) = run(command);
    assert!(!good, "{command:?} succeeds:\n{said}");
    assert!(
        said.contains(words),
        "{command:?} does not say {words:?}:\n{said}"
    );
    said
}

/// Both TLS versions.
pub(crate) const ANY: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

/// A client that trusts the peers' authority.
pub(crate) fn client_config(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_protocol_versions(versions)
        .with_root_certificates(roots())
        .with_no_client_auth()
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("ca.pem")).expect("the peers' authority"))
        .expect("a certificate");
    roots
}

/// The same client in the year 2100, when the peers' certificates have expired.
pub(crate) fn client_config_of_2100() -> ClientConfig {
    #[derive(Debug)]
    struct Year2100;
    impl TimeProvider for Year2100 {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(
                130 * 365 * 86_400,
            )))
        }
    }
    ClientConfig::builder_with_details(
        Arc::new(crypto::aws_lc_rs::default_provider()),
        Arc::new(Year2100),
    )
    .with_protocol_versions(ANY)
    .expect("versions of the provider")
    .with_root_certificates(roots())
    .with_no_client_auth()
}

/// A connection to be made to `name`.
pub(crate) fn connection(config: ClientConfig, name: &'static str) -> ClientConnection {
    let name = name.try_into().expect("a host name");
    ClientConnection::new(Arc::new(config), name).expect("a valid configuration")
}
