//! The code blocks of a document in Markdown, and what each is for.

/// One code block.
#[derive(Debug)]
pub(super) struct Block {
    /// Line of its opening fence, from 1.
    pub(super) line: usize,
    /// What stands between the fences.
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// What a block is for, by its info string and its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sh`: commands that are run.
    Run,
    /// `sh ignore: REASON`: commands that are not.
    Ignored(String),
    /// What the commands right before it print: `text`, or no info string.
    Shown,
    /// `toml`: settings of a home.
    Settings,
    /// `text` anywhere else: a drawing.
    Drawing,
}

/// Every block of `document`, in order.
pub(super) fn of(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = document.lines().enumerate();
    let mut after_commands = false;
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            after_commands &= line.trim().is_empty();
            continue;
        };
        let inside: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim_end() != "```")
            .collect();
        let kind = match (info.trim(), after_commands) {
            ("sh", _) => Kind::Run,
            ("toml", _) => Kind::Settings,
            ("" | "text", true) => Kind::Shown,
            ("text", false) => Kind::Drawing,
            (info, _) => match info.strip_prefix("sh ignore: ") {
                Some(reason) => Kind::Ignored(reason.to_owned()),
                None => panic!(
                    "line {}: a block is `sh`, `sh ignore: REASON`, `toml`, `text`, or what the \
                     commands right before it print; {info:?} is none of these",
                    at + 1
                ),
            },
        };
        after_commands = matches!(kind, Kind::Run | Kind::Ignored(_));
        blocks.push(Block {
            line: at + 1,
            text: inside.join("\n"),
            kind,
        });
    }
    blocks
}

#[test]
fn blocks_are_what_their_fences_say() {
    let text =
        "a\n```sh\nls\n```\n\n```\nout\n```\n```text\nbox\n```\n```sh ignore: far away\nrm\n```\n";
    let found = of(text);
    let kinds: Vec<&Kind> = found.iter().map(|block| &block.kind).collect();
    let ignored = Kind::Ignored("far away".to_owned());
    assert_eq!(kinds, [&Kind::Run, &Kind::Shown, &Kind::Drawing, &ignored]);
    assert_eq!((found[0].line, found[0].text.as_str()), (2, "ls"));
    let unmarked = std::panic::catch_unwind(|| of("words\n```\nmedshare init\n```\n"));
    assert!(unmarked.is_err());
}
