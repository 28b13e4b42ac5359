//! Every command of ours that a document names, run or not, is one that the program has, with
//! flags that it has.

use clap::{Command, CommandFactory as _};
use medshare::cli::Cli;

/// What the commands in `text` name that the program does not have.
pub(super) fn wrong(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut wrong = Vec::new();
    for line in joined.lines() {
        let line = line.split(" #").next().unwrap_or(line);
        // Where one command may end and another begin.
        for command in line.split(['|', ';', '&', '(', ')', '`']) {
            let mut words = command.split_whitespace();
            if words.next() == Some("medshare") {
                wrong.extend(looked_up(words).err());
            }
        }
    }
    wrong
}

/// The commands that stand in code spans of running text.
pub(super) fn spans(document: &str) -> Vec<&str> {
    let outside = |line: &&str| !line.starts_with("```");
    let lines = document.lines().filter(outside);
    let spans = lines.flat_map(|line| line.split('`').skip(1).step_by(2));
    spans.filter(|span| span.starts_with("medshare ")).collect()
}

fn looked_up<'a>(words: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut root = Cli::command();
    root.build();
    let mut command: &Command = &root;
    let mut said = "medshare".to_owned();
    for word in words {
        let has_verbs = command.get_subcommands().next().is_some();
        let is_word = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if let Some(flag) = word.strip_prefix("--") {
            let name = flag.split('=').next().unwrap_or(flag);
            let known = |arg: &clap::Arg| arg.get_long() == Some(name);
            if !command.get_arguments().any(known) {
                return Err(format!("{said} has no --{name}"));
            }
        } else if let Some(verb) = command.find_subcommand(word) {
            said = format!("{said} {word}");
            command = verb;
        } else if has_verbs && is_word && !word.starts_with('-') {
            return Err(format!("{said} has no verb {word}"));
        }
    }
    Ok(())
}

#[test]
fn a_command_that_is_not_there_is_noticed() {
    assert!(wrong("medshare record publish a.json --patient anna &").is_empty());
    assert!(wrong("x=1; medshare --json ledger \\\n  tail --follow | wc -l").is_empty());
    assert!(wrong("medshare NOUN VERB --help").is_empty());
    for there_is_no in [
        "medshare record publsh a.json",
        "medshare wallet card --far HOSPITAL | medshare account attest --card -",
        "$(medshare record list --hme x)",
    ] {
        assert_eq!(wrong(there_is_no).len(), 1, "{there_is_no}");
    }
    assert_eq!(
        spans("say `medshare page` or `node run`"),
        ["medshare page"]
    );
}
