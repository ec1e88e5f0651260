//! Every negotiator of ours under the test kit that is meant for those of others.

use starttls_testkit::machine::Negotiated;
use starttls_testkit::{check_client, check_server};
use starttls_tests::certs;
use starttls_tests::harness::negotiators::{AnyNegotiator, Role, negotiator};
use starttls_tests::harness::transcript::{Transcript, protocols, read_directory};

/// Where bytes behind the boundary are the beginning of TLS, and no flaw: these say `pipelined`.
fn leads_to_tls(transcript: &Transcript) -> bool {
    transcript.expect == "upgrade" && !transcript.ends()
}

fn client(transcript: &Transcript) -> Negotiated<impl starttls_core::Negotiator> {
    let Transcript {
        protocol, options, ..
    } = transcript;
    match negotiator(protocol, Role::Client, transcript.start, options) {
        AnyNegotiator::Client(client) => Negotiated::new(client, certs::client()),
        AnyNegotiator::Server(_) => panic!("{} is a client's", transcript.name),
    }
}

fn server(transcript: &Transcript) -> Negotiated<impl starttls_core::Negotiator> {
    let Transcript {
        protocol, options, ..
    } = transcript;
    match negotiator(protocol, Role::Server, transcript.start, options) {
        AnyNegotiator::Server(server) => Negotiated::new(server, certs::server()),
        AnyNegotiator::Client(_) => panic!("{} is a server's", transcript.name),
    }
}

#[test]
fn nothing_is_found_in_any_protocol() {
    let (mut checked, mut tried, mut flaws) = (0, 0, Vec::new());
    for transcript in protocols().iter().flat_map(|name| read_directory(name)) {
        if !leads_to_tls(&transcript) {
            continue;
        }
        let dialogue = transcript.dialogue();
        let report = match transcript.role {
            Role::Client => check_client(|| client(&transcript), &dialogue),
            Role::Server => check_server(|| server(&transcript), &dialogue),
        };
        checked += 1;
        tried += report.tried();
        for finding in report.findings() {
            flaws.push(format!("{}: {finding}", transcript.name));
        }
    }
    assert!(flaws.is_empty(), "\n{}", flaws.join("\n"));
    assert!(checked > 100 && tried > 10_000, "{checked}, {tried}");
    println!("{checked} dialogues of our negotiators, {tried} times");
}
