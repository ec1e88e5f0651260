//! Every code block of every page, as a reader sees it, compiled with the dependencies that the page names, and run if it is a program that can
//! run here.
//!
//! `cargo run -p starttls-pages` for all pages, `-- README.md docs/embedding.md` for some. Each page becomes a package of its own
//! outside the workspace, under `target/pages`; the crates of this repository stand in for the published ones.

mod extract;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use extract::{Block, Page};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let pages = if asked.is_empty() { all(&root) } else { asked };
    let mut failed = Vec::new();
    for name in &pages {
        match check(&root, name) {
            Ok(done) => println!("{name}: {done}"),
            Err(why) => {
                println!("{name}: FAILED\n{why}");
                failed.push(name);
            }
        }
    }
    println!(
        "{} passed, {} failed",
        pages.len() - failed.len(),
        failed.len()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// README.md, the front page of each crate, and docs.
fn all(root: &Path) -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for (folder, page) in [("crates", "README.md"), ("docs", "")] {
        let mut found: Vec<String> = fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy()))
            .map(|path| {
                if page.is_empty() {
                    path
                } else {
                    format!("{path}/{page}")
                }
            })
            .filter(|path| path.ends_with(".md") && root.join(path).is_file())
            // A page that is another one is checked once.
            .filter(|path| !root.join(path).is_symlink())
            .collect();
        found.sort();
        pages.append(&mut found);
    }
    pages
}

fn check(root: &Path, name: &str) -> Result<String, String> {
    let text = fs::read_to_string(root.join(name)).map_err(|error| error.to_string())?;
    let page = Page::parse(&text)?;
    let known = ["examples/Cargo.toml", "examples/ping_pong/Cargo.toml"]
        .map(|manifest| fs::read_to_string(root.join(manifest)).unwrap_or_default())
        .concat();
    for example in &page.examples {
        if !known.contains(&format!("name = \"{example}\"")) {
            return Err(format!("there is no example {example}"));
        }
    }
    if page.blocks.is_empty() {
        return Ok(format!("no code, {} examples named", page.examples.len()));
    }
    let folder = write_package(root, name, &page)?;
    cargo(&folder, &["build", "--quiet", "--examples"])?;
    let mut ran = 0;
    for block in page.blocks.iter().filter(|block| block.runs) {
        cargo(&folder, &["run", "--quiet", "--example", &block.name()])
            .map_err(|why| format!("line {}: {why}", block.line))?;
        ran += 1;
    }
    Ok(format!("{} blocks compiled, {ran} run", page.blocks.len()))
}

fn write_package(root: &Path, name: &str, page: &Page) -> Result<PathBuf, String> {
    let package: String = name
        .trim_end_matches(".md")
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let folder = root.join("target/pages").join(&package);
    let write = |path: &Path, text: &str| fs::write(path, text).map_err(|error| error.to_string());
    // What an earlier version of the page had must not be built again.
    let _ = fs::remove_dir_all(folder.join("examples"));
    for folder in ["examples", "src"].map(|name| folder.join(name)) {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    write(&folder.join("src/lib.rs"), "")?;
    let mut manifest = format!(
        "[package]\nname = \"page-{package}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[workspace]\n\n{}\n\n[patch.crates-io]\n",
        page.dependencies
    );
    for entry in fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if page.dependencies.contains("starttls") {
            manifest += &format!("{name} = {{ path = \"../../../crates/{name}\" }}\n");
        }
    }
    write(&folder.join("Cargo.toml"), &manifest)?;
    // The versions that everything else here is tested with.
    let lock = fs::read_to_string(root.join("Cargo.lock")).map_err(|error| error.to_string())?;
    write(&folder.join("Cargo.lock"), &lock)?;
    for block in &page.blocks {
        let path = folder
            .join("examples")
            .join(block.name())
            .with_extension("rs");
        write(&path, &block.program())?;
    }
    Ok(folder)
}

fn cargo(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    // A program that does not end is one that fails.
    let output = Command::new("timeout")
        .args(["600", "cargo"])
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("../.."))
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}

impl Block {
    fn name(&self) -> String {
        format!("line_{}", self.line)
    }

    /// Functions become a program that does nothing with them.
    fn program(&self) -> String {
        if self.has_main() {
            self.code.clone()
        } else {
            format!("#![allow(dead_code)]\n{}\nfn main() {{}}\n", self.code)
        }
    }
}
