//! What a `Server` promises.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::RUNTIMES;
use super::runtimes::READ_AHEAD;
#[cfg(target_os = "linux")]
use super::runtimes::Runtime;

/// Speaks plaintext with nothing of ours.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(addr: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(BufReader::new(socket)))
    }

    fn say(&mut self, words: &str) -> std::io::Result<()> {
        self.0.get_mut().write_all(format!("{words}\n").as_bytes())
    }

    fn ask(&mut self, words: &str) -> std::io::Result<String> {
        self.say(words)?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line)
    }

    /// Its connection ends, in whatever way.
    fn must_be_cut_off(mut self) {
        match self.0.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
    }
}

fn soon_lets_nobody_in(name: &str, addr: SocketAddr) {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        match Client::connect(addr) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
            // It was in the queue when the listener was closed, or before.
            _ => assert!(Instant::now() < give_up, "{name} lets people in"),
        }
    }
}

#[test]
fn a_silent_client_keeps_nobody_waiting() {
    for runtime in RUNTIMES {
        let serving = (runtime.serve)();
        let silent: Vec<_> = (0..20)
            .map(|_| Client::connect(serving.addr).unwrap())
            .collect();
        // One stops in the middle of its handshake.
        let mut half = Client::connect(serving.addr).unwrap();
        assert_eq!(half.ask("STARTTLS").unwrap(), "OK\n");
        half.say("\x16\x03").unwrap();
        (runtime.dialogue)(serving.addr).unwrap();
        drop((silent, half));
        serving.stop();
    }
}

#[test]
fn one_that_panics_is_no_matter_to_the_others() {
    for runtime in RUNTIMES {
        let serving = (runtime.serve)();
        let mut other = Client::connect(serving.addr).unwrap();
        assert_eq!(other.ask("PING").unwrap(), "PONG\n");
        for _ in 0..3 {
            let mut panics = Client::connect(serving.addr).unwrap();
            panics.say("PANIC").unwrap();
            panics.must_be_cut_off();
        }
        assert_eq!(other.ask("PING").unwrap(), "PONG\n");
        (runtime.dialogue)(serving.addr).unwrap();
        drop(other);
        serving.stop();
    }
}

#[test]
fn stopping_lets_nobody_in_and_waits_for_those_who_are() {
    for runtime in RUNTIMES {
        let serving = (runtime.serve)();
        let mut last = Client::connect(serving.addr).unwrap();
        assert_eq!(last.ask("PING").unwrap(), "PONG\n");
        serving.tell_to_stop();
        soon_lets_nobody_in(runtime.name, serving.addr);
        thread::sleep(Duration::from_millis(50));
        assert!(!serving.is_stopped(), "{}", runtime.name);
        assert_eq!(last.ask("PING").unwrap(), "PONG\n");
        last.say("QUIT").unwrap();
        let give_up = Instant::now() + Duration::from_secs(30);
        while !serving.is_stopped() {
            assert!(Instant::now() < give_up, "{} does not stop", runtime.name);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Threads cannot be dropped; futures can, and must not leave tasks behind that nobody can end.
#[test]
fn dropping_the_future_drops_the_handlers() {
    for runtime in RUNTIMES
        .into_iter()
        .filter(|runtime| runtime.name != "blocking")
    {
        let serving = (runtime.serve)();
        let mut client = Client::connect(serving.addr).unwrap();
        assert_eq!(client.ask("PING").unwrap(), "PONG\n");
        serving.drop_future();
        client.must_be_cut_off();
        assert!(!serving.is_stopped(), "it is not the runtime's end");
        soon_lets_nobody_in(runtime.name, serving.addr);
    }
}

#[test]
fn its_limits_are_those_of_its_connections() {
    let much = "x".repeat(4 * READ_AHEAD);
    for runtime in RUNTIMES {
        let serving = (runtime.serve)();
        let most = READ_AHEAD - "AHEAD\n".len();
        // All of it may not have come when it looks: then it looks again.
        let full = (0..100).any(|_| {
            let mut client = Client::connect(serving.addr).unwrap();
            let ahead = client.ask(&format!("AHEAD\n{much}")).unwrap();
            let ahead: usize = ahead.trim_end().parse().unwrap();
            assert!(ahead <= most, "{}: {ahead}", runtime.name);
            ahead == most
        });
        assert!(full, "{}", runtime.name);
        serving.stop();
    }
}

/// Too many files: each runtime in a process of its own that may have a few only.
#[cfg(target_os = "linux")]
#[test]
fn too_many_files_neither_end_nor_spin_it() {
    const NAME: &str = "STARTTLS_TEST_TOO_MANY_FILES";
    if let Ok(name) = std::env::var(NAME) {
        let runtime = RUNTIMES.into_iter().find(|runtime| runtime.name == name);
        return too_many_files(&runtime.unwrap());
    }
    let this = std::env::current_exe().unwrap();
    for runtime in RUNTIMES {
        let child = Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
            .arg(&this)
            .args(["--exact", "servers::too_many_files_neither_end_nor_spin_it"])
            .env(NAME, runtime.name)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{}: {said}", runtime.name);
        assert!(said.contains("1 passed"), "{said}");
    }
}

#[cfg(target_os = "linux")]
fn too_many_files(runtime: &Runtime) {
    let processor = File::open("/proc/self/stat").unwrap();
    let serving = (runtime.serve)();
    let mut before = Client::connect(serving.addr).unwrap();
    assert_eq!(before.ask("PING").unwrap(), "PONG\n");

    let mut files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(files.len() > 10);
    files.pop();
    // Takes the last one: none is left for the server's end.
    let mut client = Client::connect(serving.addr).unwrap();
    let error = File::open("/dev/null").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(24), "{error}");
    thread::sleep(Duration::from_millis(100));
    let spent = processor_time(&processor);
    thread::sleep(Duration::from_millis(500));
    let spent = processor_time(&processor) - spent;
    assert!(spent < 10, "{spent} hundredths of half a second");
    assert_eq!(before.ask("PING").unwrap(), "PONG\n");

    drop(files);
    assert_eq!(client.ask("PING").unwrap(), "PONG\n");
    drop((client, before));
    serving.stop();
}

/// User's and system's, of this process, in hundredths of a second.
#[cfg(target_os = "linux")]
fn processor_time(stat: &File) -> u64 {
    let mut buf = [0; 1000];
    let n = stat.read_at(&mut buf, 0).unwrap();
    let stat = String::from_utf8_lossy(&buf[..n]);
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    let ticks = fields.skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}
