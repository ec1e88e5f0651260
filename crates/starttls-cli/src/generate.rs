//! The manual and the completions, made of the arguments themselves.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::check::Object;
use crate::probe::Probed;
use crate::report::Report;
use crate::scan::Scanned;
use crate::{Arguments, terminal};

/// Print completions for a shell
#[derive(Args)]
#[command(before_help = "Example: starttls completions bash >/etc/bash_completion.d/starttls")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "starttls",
            &mut script,
        );
        terminal::print(&String::from_utf8_lossy(&script));
        ExitCode::SUCCESS
    }
}

/// Write the manual pages into a folder
#[derive(Args)]
#[command(before_help = "Example: starttls man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The folder; it is made if it is not there
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> ExitCode {
        match self.write() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => terminal::usage(&format!("{}: {error}", self.folder.display())),
        }
    }

    fn write(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut command = Arguments::command();
        // Names the pages of the sub-commands after the program.
        command.build();
        for page in std::iter::once(&command).chain(command.get_subcommands()) {
            let name = page.get_display_name().unwrap_or(page.get_name());
            let mut text = Vec::new();
            clap_mangen::Man::new(page.clone()).render(&mut text)?;
            fs::write(self.folder.join(format!("{name}.1")), text)?;
        }
        Ok(())
    }
}

/// Print the JSON schema of what a command prints
#[derive(Args)]
#[command(before_help = "Example: starttls schema connect >connect-1.json")]
pub(crate) struct Schema {
    /// The command
    of: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Connect,
    Check,
    Scan,
    Probe,
}

impl Schema {
    pub(crate) fn run(self) -> ExitCode {
        let schema = match self.of {
            Output::Connect => schemars::schema_for!(Report),
            Output::Check => schemars::schema_for!(Object<'_>),
            Output::Probe => schemars::schema_for!(Probed),
            Output::Scan => schemars::schema_for!(Scanned),
        };
        // A schema is made of texts and lists of them.
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        terminal::print(&format!("{text}\n"));
        ExitCode::SUCCESS
    }
}
