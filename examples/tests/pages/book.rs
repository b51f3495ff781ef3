//! A page as a list of commands, each with the answer that is shown for it.

/// A block of commands.
#[derive(Debug)]
pub(crate) struct Step {
    /// The line of the page that it begins on.
    pub(crate) line: usize,
    pub(crate) script: String,
    pub(crate) shown: Shown,
}

/// The block that follows it.
#[derive(Debug)]
pub(crate) enum Shown {
    /// None: the commands print nothing.
    Nothing,
    Json(String),
    Text(String),
}

impl Shown {
    /// Whether this is an answer that refuses something.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Json(shown) if shown.contains("\"title\":"))
    }
}

/// The blocks `sh` of a page, with the block `json` or `text` that follows each.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((opening, line)) = lines.next() {
        let Some(language) = opening.strip_prefix("```") else {
            continue;
        };
        let block = lines.by_ref().map(|(text, _)| text).take_while(|text| *text != "```");
        let block: String = block.flat_map(|text| [text, "\n"]).collect();
        let shown = match language {
            "sh" => {
                steps.push(Step { line, script: block, shown: Shown::Nothing });
                continue;
            }
            // Of the clients, whose documentation compiles and runs it.
            "rust" | "toml" => continue,
            "json" => Shown::Json(block),
            "text" => Shown::Text(block),
            other => panic!("line {line}: a block of `{other}`"),
        };
        let step = steps.last_mut().filter(|step| matches!(step.shown, Shown::Nothing));
        step.unwrap_or_else(|| panic!("line {line}: an answer to nothing")).shown = shown;
    }
    assert!(!steps.is_empty(), "the page has commands");
    steps
}
