//! The command `starttls`: what an operator does with in-band TLS. All protocol logic is the library's.

mod attempt;
mod check;
mod connect;
mod dial;
mod ears;
mod generate;
mod http;
mod metrics;
mod middle;
mod peer;
mod probe;
mod report;
mod scan;
mod secret;
mod serve;
mod terminal;
mod trust;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Look at, check, find, attack and serve STARTTLS and its relatives
#[derive(Parser)]
#[command(
    name = "starttls",
    version,
    before_help = "Example: starttls connect smtp mail.example.org",
    after_help = "PROTO: smtp submission lmtp imap pop3 nntp sieve ftp xmpp xmpp-server ldap\n\
                  postgres mysql irc telnet http-upgrade ipp nbd rpc vencrypt rdp nut munin nats\n\
                  tls",
    max_term_width = 80
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Connect(connect::Connect),
    Check(check::Check),
    Exporter(check::Exporter),
    Scan(scan::Scan),
    Probe(probe::Probe),
    Proxy(middle::Proxy),
    Tunnel(middle::Tunnel),
    Route(middle::Route),
    Completions(generate::Completions),
    Man(generate::Man),
    Schema(generate::Schema),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return check::misunderstood(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("starttls: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match arguments.command {
            Command::Connect(connect) => connect.run().await,
            Command::Check(check) => check.run().await,
            Command::Exporter(exporter) => exporter.run().await,
            Command::Scan(scan) => scan.run().await,
            Command::Probe(probe) => probe.run().await,
            Command::Proxy(proxy) => proxy.run().await,
            Command::Tunnel(tunnel) => tunnel.run().await,
            Command::Route(route) => route.run().await,
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
            Command::Schema(schema) => schema.run(),
        }
    });
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    code
}
