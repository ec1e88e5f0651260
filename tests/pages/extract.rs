/// The code of a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Everything in its `toml` blocks that have a `[dependencies]` or the like.
    pub(crate) dependencies: String,
    /// Its `rust` blocks.
    pub(crate) blocks: Vec<Block>,
    /// What it calls with `cargo run --example`.
    pub(crate) examples: Vec<String>,
}

/// A `rust` block.
#[derive(Debug)]
pub(crate) struct Block {
    /// Where it begins.
    pub(crate) line: usize,
    /// What is in it, to the letter.
    pub(crate) code: String,
    /// It is a program, and nothing outside this machine is needed to run it.
    pub(crate) runs: bool,
}

impl Block {
    /// It is a whole program.
    pub(crate) fn has_main(&self) -> bool {
        self.code.contains("fn main(")
    }
}

impl Page {
    /// # Errors
    /// What a reader could not compile: hidden lines, ignored blocks, code without the lines for `Cargo.toml`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut page = Self::default();
        let mut open: Option<(usize, String, String)> = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some((number, language.trim().to_owned(), String::new()));
                }
                (None, None) => {}
                (Some(_), Some(_)) => {
                    let (line, language, code) = open.take().unwrap_or_default();
                    page.close(line, &language, code)?;
                }
                (Some((_, _, code)), None) => {
                    code.push_str(line);
                    code.push('\n');
                }
            }
        }
        match open {
            Some((line, ..)) => Err(format!("line {line}: the block has no end")),
            None => Ok(page),
        }
    }

    fn close(&mut self, line: usize, language: &str, code: String) -> Result<(), String> {
        let words: Vec<&str> = language.split(',').map(str::trim).collect();
        match words.first().copied().unwrap_or_default() {
            // A line alone shows another choice.
            "toml" if code.contains("dependencies]") => self.dependencies += &code,
            "rust" => {
                if code
                    .lines()
                    .any(|line| line == "#" || line.starts_with("# "))
                {
                    return Err(format!("line {line}: hidden lines"));
                }
                if words.contains(&"ignore") {
                    return Err(format!("line {line}: ignored"));
                }
                if words.contains(&"compile_fail") {
                    return Ok(());
                }
                if !self.dependencies.contains("[dependencies]") {
                    return Err(format!("line {line}: no [dependencies] above it"));
                }
                let mut block = Block {
                    line,
                    code,
                    runs: false,
                };
                block.runs = block.has_main() && !words.contains(&"no_run");
                self.blocks.push(block);
            }
            "console" | "sh" => {
                for line in code.lines() {
                    let name = line.split_once("--example ").map(|(_, rest)| rest);
                    let name = name.and_then(|rest| rest.split_whitespace().next());
                    self.examples.extend(name.map(str::to_owned));
                }
            }
            "" => return Err(format!("line {line}: a block of no language")),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page = Page::parse(
            "```toml\n[dependencies]\na = \"1\"\n```\n```rust\nfn main() {}\n```\n```rust,no_run\nfn f() {}\n```\n```console\n$ cargo run --example x -- --help\n```\n",
        );
        let page = page.expect("it is well-formed");
        assert_eq!(page.dependencies, "[dependencies]\na = \"1\"\n");
        assert_eq!(page.examples, ["x"]);
        let [first, second] = &page.blocks[..] else {
            panic!("{page:?}");
        };
        assert!(first.runs && first.code == "fn main() {}\n" && first.line == 5);
        assert!(!second.runs && !second.has_main());
    }

    #[test]
    fn what_cannot_be_copied_is_refused() {
        for page in [
            "```rust\nfn f() {}\n```\n",
            "```toml\n[dependencies]\n```\n```rust\n# hidden\nfn f() {}\n```\n",
            "```toml\n[dependencies]\n```\n```rust,ignore\nfn f() {}\n```\n",
            "```\nwhat\n```\n",
            "```rust\n",
        ] {
            assert!(Page::parse(page).is_err(), "{page}");
        }
    }
}
