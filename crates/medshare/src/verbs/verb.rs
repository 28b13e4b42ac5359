//! The verbs, as the command line itself describes them: what each takes, and which of them a
//! program cannot ask for.

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use std::{any::TypeId, ffi::OsString, path::Path, path::PathBuf, sync::LazyLock};

use crate::{
    cli::Cli,
    exit::{Exit, Fault, Result},
};

/// Commands that stay at the command line: the words that they begin with, and why.
pub const LOCAL: [(&str, &str); 17] = [
    ("agent run", "`serve` does it beside"),
    ("anchor key", "shows or takes a key that pays"),
    ("completions", "for a shell"),
    ("config", "a file on this machine"),
    ("demo", "starts processes of its own"),
    ("doctor", "looks at a home that nobody uses"),
    ("init", "makes a home"),
    ("ledger page", "is a service itself"),
    ("man", "for a shell"),
    ("network", "makes homes, looks at several"),
    (
        "node id",
        "is in the home; on the ledger once it is registered",
    ),
    ("node run", "is a service itself"),
    ("page", "is a service itself"),
    ("serve", "is this service"),
    ("wallet recover", "makes a home"),
    ("wallet restore", "makes a home"),
    ("wallet run", "`serve` does it beside"),
];

/// A verb that programs may ask for.
#[derive(Debug)]
pub struct Verb {
    /// Its words: `record/publish`.
    pub path: String,
    /// What it does, in a line.
    pub says: String,
    /// What it takes beside files.
    pub arguments: Vec<Argument>,
    /// The file that it reads: the body of the request.
    pub input: Option<Argument>,
    /// The file that it writes: the body of the answer.
    pub output: Option<Argument>,
}

/// An argument of a verb.
#[derive(Debug)]
pub struct Argument {
    /// Its flag, or what its place is called.
    pub name: String,
    /// Whether it is a flag; else it has a place.
    is_flag: bool,
    /// How often, and with what.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// The values that there are; none: any text.
    pub values: Vec<String>,
    /// What it says.
    pub says: String,
}

/// How an argument is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `true` or `false`.
    Switch,
    /// Once.
    One,
    /// As often as wished.
    Many,
}

/// Every command: its words, and why it is not offered, if it is not.
pub fn commands() -> Vec<(String, Option<&'static str>)> {
    let mut found = Vec::new();
    leaves(&root(), &mut Vec::new(), &mut |words, _| {
        let words = words.join(" ");
        found.push((words.clone(), local(&words)));
    });
    found
}

/// Every verb that is offered, in the order of the command line.
pub fn every() -> &'static [Verb] {
    static EVERY: LazyLock<Vec<Verb>> = LazyLock::new(|| {
        let mut found = Vec::new();
        leaves(&root(), &mut Vec::new(), &mut |words, command| {
            if local(&words.join(" ")).is_none() {
                found.push(Verb::of(words, command));
            }
        });
        found
    });
    &EVERY
}

fn root() -> Command {
    let mut root = Cli::command();
    root.build();
    root
}

fn local(words: &str) -> Option<&'static str> {
    let begins = |start: &str| words == start || words.starts_with(&format!("{start} "));
    let found = LOCAL.iter().find(|(start, _)| begins(start));
    found.map(|(_, why)| *why)
}

fn leaves(command: &Command, words: &mut Vec<String>, found: &mut dyn FnMut(&[String], &Command)) {
    let mut is_leaf = true;
    for verb in command.get_subcommands() {
        if verb.get_name() == "help" || verb.is_hide_set() {
            continue;
        }
        is_leaf = false;
        words.push(verb.get_name().to_owned());
        leaves(verb, words, found);
        words.pop();
    }
    if is_leaf {
        found(words, command);
    }
}

impl Verb {
    fn of(words: &[String], command: &Command) -> Self {
        let mut verb = Self {
            path: words.join("/"),
            says: command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default(),
            arguments: Vec::new(),
            input: None,
            output: None,
        };
        for arg in command.get_arguments().filter(|arg| is_own(arg)) {
            let argument = Argument::of(arg);
            if arg.get_value_parser().type_id() != TypeId::of::<PathBuf>() {
                verb.arguments.push(argument);
            } else if argument.name == "output" || verb.path == "store/export" {
                verb.output = Some(argument);
            } else if verb.input.as_ref().is_none_or(|input| !input.required) {
                // One body is one file; the one that must be there is it.
                verb.input = Some(argument);
            }
        }
        // A program has the events for that.
        verb.arguments.retain(|argument| argument.name != "follow");
        verb
    }

    /// The command line of this verb.
    ///
    /// # Errors
    /// [`Exit::Usage`] for an argument that it does not take.
    pub fn line(
        &self,
        given: &[(String, String)],
        input: Option<&Path>,
        output: Option<&Path>,
    ) -> Result<Vec<OsString>> {
        let mut line: Vec<OsString> = vec!["medshare".into()];
        line.extend(self.path.split('/').map(OsString::from));
        let mut places: Vec<OsString> = Vec::new();
        for (name, _) in given {
            if !self.arguments.iter().any(|argument| argument.name == *name) {
                return Err(usage(format!("{} takes no `{name}`", self.path)));
            }
        }
        for argument in &self.arguments {
            for (_, value) in given.iter().filter(|(name, _)| *name == argument.name) {
                match (argument.shape, value.as_str()) {
                    (Shape::Switch, "true") => line.push(format!("--{}", argument.name).into()),
                    (Shape::Switch, "false") => {}
                    (Shape::Switch, _) => {
                        let name = &argument.name;
                        return Err(usage(format!("`{name}` is `true` or `false`")));
                    }
                    // A value is never taken for a flag.
                    _ => argument.put(value.into(), &mut line, &mut places),
                }
            }
        }
        for (argument, file) in [(&self.input, input), (&self.output, output)] {
            if let (Some(argument), Some(file)) = (argument, file) {
                argument.put(file.into(), &mut line, &mut places);
            }
        }
        line.push("--".into());
        line.extend(places);
        Ok(line)
    }
}

impl Argument {
    fn of(arg: &Arg) -> Self {
        let more = arg
            .get_num_args()
            .is_some_and(|count| count.max_values() > 1);
        let shape = match arg.get_action() {
            ArgAction::SetTrue => Shape::Switch,
            ArgAction::Append => Shape::Many,
            _ if more => Shape::Many,
            _ => Shape::One,
        };
        let name = arg.get_long().unwrap_or(arg.get_id().as_str());
        let values = match shape {
            Shape::Switch => Vec::new(),
            _ => arg.get_possible_values(),
        };
        Self {
            name: name.replace('_', "-"),
            is_flag: arg.get_long().is_some(),
            shape,
            required: arg.is_required_set(),
            values: values
                .iter()
                .map(|value| value.get_name().to_owned())
                .collect(),
            says: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        }
    }

    fn put(&self, value: OsString, line: &mut Vec<OsString>, places: &mut Vec<OsString>) {
        if self.is_flag {
            let mut flag = OsString::from(format!("--{}=", self.name));
            flag.push(value);
            line.push(flag);
        } else {
            places.push(value);
        }
    }
}

/// Whether an argument is the verb's own: not of every command, not the help.
fn is_own(arg: &Arg) -> bool {
    let takes = matches!(
        arg.get_action(),
        ArgAction::Set | ArgAction::Append | ArgAction::SetTrue
    );
    takes && !arg.is_global_set() && !arg.is_hide_set()
}

fn usage(message: String) -> Fault {
    Fault::new(Exit::Usage, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(path: &str, given: &[(&str, &str)], input: Option<&str>) -> Result<String> {
        let verb = every().iter().find(|verb| verb.path == path).unwrap();
        let given: Vec<(String, String)> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let output = verb.output.as_ref().map(|_| Path::new("out"));
        let line = verb.line(&given, input.map(Path::new), output)?;
        let words = line.iter().map(|word| word.to_str().unwrap());
        Ok(words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_call_becomes_a_command_line() {
        let published = line("record/publish", &[("patient", "--home=x")], Some("in")).unwrap();
        assert_eq!(
            published,
            "medshare record publish --patient=--home=x -- in"
        );
        let opened = line(
            "record/open",
            &[("part", "1"), ("part", "2"), ("record", "-o")],
            None,
        );
        assert_eq!(
            opened.unwrap(),
            "medshare record open --part=1 --part=2 --output=out -- -o"
        );
        assert_eq!(
            line("record/erase", &[("yes", "true"), ("record", "ab")], None).unwrap(),
            "medshare record erase --yes -- ab"
        );
        // Neither what is of every command nor a file of this machine can be named.
        for name in [
            "home",
            "node",
            "passphrase-file",
            "json",
            "output",
            "file",
            "nothing",
        ] {
            let fault = line("record/open", &[(name, "x")], None).unwrap_err();
            assert_eq!(fault.exit, Exit::Usage, "{name}");
        }
        assert!(line("record/erase", &[("yes", "1")], None).is_err());
    }

    #[test]
    fn what_stays_local_is_there_and_nothing_takes_a_path() {
        let all = commands();
        for (start, _) in LOCAL {
            let named = |(words, _): &(String, _)| words == start || words.starts_with(start);
            assert!(all.iter().any(named), "{start}");
        }
        let offered = all.iter().filter(|(_, why)| why.is_none()).count();
        assert_eq!(offered, every().len());
        assert!(offered > 60, "{offered}");
        for verb in every() {
            let files = |argument: &&Argument| argument.name.contains("file");
            assert!(!verb.arguments.iter().any(|a| files(&a)), "{}", verb.path);
        }
    }
}
