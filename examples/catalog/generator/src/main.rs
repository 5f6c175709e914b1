//! Makes up a catalogue of dresses: descriptions by five people each, what each dress really is, and its picture.

mod attributes;
mod catalog;
mod choice;
mod dice;
mod german;
mod grammar;
mod language;
mod memory;
mod picture;
mod plan;
mod sentences;
mod shades;
mod speaker;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use language::Language;

const USAGE: &str = "\
usage: catalog-generator [--rows 8732] [--seed 1] [--language en] DIRECTORY
       catalog-generator --pictures-of ATTRIBUTES.json DIRECTORY

The first writes catalog.json, attributes.json and pictures/ into DIRECTORY; the same seed gives the same files, and the
same dresses in each language: en, de.
The second draws pictures/ for an attributes file that is there already.";

#[derive(Debug, PartialEq)]
enum Task {
    Help,
    Generate { rows: u64, seed: u64, language: Language, directory: PathBuf },
    Draw { attributes: PathBuf, directory: PathBuf },
}

fn main() -> ExitCode {
    let task = match parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(problem) => {
            eprintln!("catalog-generator: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match task {
        Task::Help => {
            println!("{USAGE}");
            Ok(())
        }
        Task::Generate { rows, seed, language, directory } => catalog::generate(&directory, rows, seed, language),
        Task::Draw { attributes, directory } => catalog::draw_pictures(&attributes, &directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("catalog-generator: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let (mut rows, mut seed, mut language, mut attributes, mut directory) = (None, None, None, None, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(Task::Help),
            "--rows" => rows = Some(number(&argument, &value()?)?),
            "--seed" => seed = Some(number(&argument, &value()?)?),
            "--language" => language = Some(Language::named(&value()?)?),
            "--pictures-of" => attributes = Some(PathBuf::from(value()?)),
            _ if argument.starts_with('-') => return Err(format!("unknown option {argument}")),
            _ if directory.is_some() => return Err("more than one directory".to_string()),
            _ => directory = Some(PathBuf::from(argument)),
        }
    }
    let directory = directory.ok_or("no directory")?;
    match attributes {
        Some(_) if rows.is_some() || seed.is_some() || language.is_some() => {
            Err("--pictures-of takes none of --rows, --seed and --language".to_string())
        }
        Some(attributes) => Ok(Task::Draw { attributes, directory }),
        None => Ok(Task::Generate {
            rows: rows.unwrap_or(8732),
            seed: seed.unwrap_or(1),
            language: language.unwrap_or_default(),
            directory,
        }),
    }
}

fn number(option: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{option} needs a whole number, not \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn arguments() {
        let generate = |rows, seed, language| Ok(Task::Generate { rows, seed, language, directory: "out".into() });
        assert_eq!(parsed("out"), generate(8732, 1, Language::English));
        assert_eq!(parsed("--rows 20 out --seed 3"), generate(20, 3, Language::English));
        assert_eq!(parsed("--language de out"), generate(8732, 1, Language::German));
        assert_eq!(
            parsed("--pictures-of a.json out"),
            Ok(Task::Draw { attributes: "a.json".into(), directory: "out".into() })
        );
        for wrong in [
            "",
            "--rows",
            "--rows x out",
            "--rows -1 out",
            "out out",
            "--what out",
            "--seed 1 --pictures-of a out",
            "--language x out",
            "--language de --pictures-of a out",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
