//! Writes the files of a catalogue, row by row, so that its size costs no memory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;

use crate::attributes::Attributes;
use crate::choice;
use crate::dice::Dice;
use crate::language::Language;
use crate::picture;
use crate::shades;

#[derive(Serialize)]
struct Product {
    url: String,
    descriptions: Vec<String>,
    split: String,
}

#[derive(Serialize, Deserialize)]
struct Truth {
    url: String,
    #[serde(flatten)]
    attributes: Attributes,
}

pub fn generate(directory: &Path, rows: u64, seed: u64, language: Language) -> io::Result<()> {
    let pictures = directory.join("pictures");
    fs::create_dir_all(&pictures).map_err(naming(&pictures))?;
    let mut catalog = JsonArray::create(&directory.join("catalog.json"))?;
    let mut truth = JsonArray::create(&directory.join("attributes.json"))?;
    for row in 0..rows {
        let mut dice = Dice::new(seed, row);
        let attributes = choice::choose(&mut dice);
        let shade = shades::choose(attributes.colour, &mut dice);
        let descriptions = language.describe(&attributes, shade, &mut dice);
        let name = format!("{:05}.svg", row + 1);
        let url = format!("https://catalog.example/dresses/{name}");
        catalog.push(&Product { url: url.clone(), descriptions, split: (row % 10).to_string() })?;
        truth.push(&Truth { url, attributes })?;
        write_picture(&pictures.join(name), &picture::draw(&attributes, shade))?;
    }
    catalog.finish()?;
    truth.finish()
}

/// Draws the dresses of an existing file. It says nothing of shades, so each colour has its plain one.
pub fn draw_pictures(attributes: &Path, directory: &Path) -> io::Result<()> {
    let content = fs::read(attributes).map_err(naming(attributes))?;
    let truth: Vec<Truth> = serde_json::from_slice(&content).map_err(io::Error::from).map_err(naming(attributes))?;
    let pictures = directory.join("pictures");
    fs::create_dir_all(&pictures).map_err(naming(&pictures))?;
    for Truth { url, attributes } in &truth {
        let shade = &shades::shades(attributes.colour)[0];
        write_picture(&pictures.join(file_name(url)?), &picture::draw(attributes, shade))?;
    }
    Ok(())
}

fn write_picture(path: &Path, svg: &str) -> io::Result<()> {
    fs::write(path, svg).map_err(naming(path))
}

/// Says which file an error is about; the error itself does not.
fn naming(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |problem| io::Error::new(problem.kind(), format!("{}: {problem}", path.display()))
}

/// The last part of a url. Whatever the file says, nothing is written outside the directory.
fn file_name(url: &str) -> io::Result<&str> {
    let name = url.rsplit('/').next().unwrap_or_default();
    let is_plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if is_plain && name.len() > 4 && name.ends_with(".svg") {
        Ok(name)
    } else {
        Err(io::Error::other(format!("the url \"{url}\" does not end in the name of an SVG file")))
    }
}

/// A JSON array with one record a line.
struct JsonArray {
    file: BufWriter<File>,
    is_empty: bool,
}

impl JsonArray {
    fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path).map_err(naming(path))?);
        file.write_all(b"[")?;
        Ok(Self { file, is_empty: true })
    }

    fn push(&mut self, record: &impl Serialize) -> io::Result<()> {
        self.file.write_all(if self.is_empty { b"\n" } else { b",\n" })?;
        self.is_empty = false;
        record.serialize(&mut serde_json::Serializer::with_formatter(&mut self.file, Spaced))?;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.file.write_all(b"\n]\n")?;
        self.file.flush()
    }
}

/// On one line, with a space after commas and colons: easier to read than none.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of the test's own, removed at its end.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("catalog-generator-{}-{name}", std::process::id())))
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// FNV-1a: short, and the same everywhere.
    fn hash(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    #[test]
    fn a_seed_gives_the_same_files_everywhere() {
        let scratch = Scratch::new("seed");
        generate(&scratch.0, 100, 1, Language::English).unwrap();
        let pictures: String = (1..=100).map(|row| scratch.read(&format!("pictures/{row:05}.svg"))).collect();
        let hashes = [scratch.read("catalog.json"), scratch.read("attributes.json"), pictures].map(|text| hash(&text));
        assert_eq!(hashes, [0xd263_a397_8a18_2512, 0x0827_dfff_6f6a_746c, 0xc56b_98c7_db2e_ffa4]);
    }

    #[test]
    fn the_dresses_are_the_same_in_each_language() {
        let (english, german) = (Scratch::new("english"), Scratch::new("german"));
        generate(&english.0, 100, 1, Language::English).unwrap();
        generate(&german.0, 100, 1, Language::German).unwrap();
        for name in ["attributes.json", "pictures/00001.svg", "pictures/00100.svg"] {
            assert_eq!(english.read(name), german.read(name), "{name}");
        }
        assert_eq!(hash(&german.read("catalog.json")), 0xc10b_53a5_2979_e418);
    }

    #[test]
    fn a_shorter_catalogue_is_the_beginning_of_a_longer_one() {
        let (short, long) = (Scratch::new("short"), Scratch::new("long"));
        generate(&short.0, 5, 7, Language::English).unwrap();
        generate(&long.0, 10, 7, Language::English).unwrap();
        for name in ["catalog.json", "attributes.json"] {
            let short = short.read(name);
            assert!(long.read(name).starts_with(short.trim_end_matches("\n]\n")), "{name}");
        }
    }

    #[test]
    fn the_format_is_that_of_the_article() {
        let scratch = Scratch::new("format");
        generate(&scratch.0, 12, 1, Language::English).unwrap();
        let catalog: Vec<serde_json::Value> = serde_json::from_str(&scratch.read("catalog.json")).unwrap();
        assert_eq!(catalog.len(), 12);
        assert_eq!(catalog[11]["url"], "https://catalog.example/dresses/00012.svg");
        assert_eq!(catalog[11]["split"], "1");
        assert_eq!(catalog[11]["descriptions"].as_array().unwrap().len(), 5);
        generate(&scratch.0, 0, 1, Language::English).unwrap();
        assert_eq!(scratch.read("catalog.json"), "[\n]\n");
    }

    #[test]
    fn pictures_of_an_existing_file() {
        let scratch = Scratch::new("pictures");
        generate(&scratch.0, 20, 1, Language::English).unwrap();
        let again = Scratch::new("again");
        draw_pictures(&scratch.0.join("attributes.json"), &again.0).unwrap();
        assert_eq!(fs::read_dir(again.0.join("pictures")).unwrap().count(), 20);
        let wrong = scratch.read("attributes.json").replace("dresses/00001.svg", "dresses/..");
        fs::write(scratch.0.join("wrong.json"), wrong).unwrap();
        assert!(draw_pictures(&scratch.0.join("wrong.json"), &again.0).is_err());
    }

    #[test]
    fn file_names() {
        assert_eq!(file_name("https://catalog.example/dresses/0001.svg").unwrap(), "0001.svg");
        for wrong in ["", "https://x/", "https://x/..", "x/.svg", "x/a.png", "x/a\\b.svg", "x/a b.svg"] {
            assert!(file_name(wrong).is_err(), "{wrong}");
        }
    }
}
