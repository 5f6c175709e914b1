//! From a product's url to what the page shows: a file of `--pictures`, the address itself, or nothing.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The endings of the files that are served, with their types.
const TYPES: [(&str, &str); 7] = [
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("avif", "image/avif"),
];

/// The type of a picture with this name; None for a name that is not served: hidden, of another kind, or a path.
pub fn type_of(name: &str) -> Option<&'static str> {
    if name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        return None;
    }
    let (_, ending) = name.rsplit_once('.')?;
    TYPES.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known)).map(|(_, of_type)| *of_type)
}

/// The file behind a name. A link that leads out of the directory is not followed.
pub fn file_of(directory: &Path, name: &str) -> Option<PathBuf> {
    type_of(name)?;
    let file = directory.join(name).canonicalize().ok()?;
    (file.starts_with(directory.canonicalize().ok()?) && file.is_file()).then_some(file)
}

/// What goes into `src`.
pub fn source_of(url: Option<&str>, has_file: impl Fn(&str) -> bool) -> Option<String> {
    let url = url?;
    if let Some(name) = last_part(url).filter(|name| type_of(name).is_some() && has_file(name)) {
        return Some(format!("/pictures/{}", percent_encoded(&name)));
    }
    is_web_address(url).then(|| url.to_owned())
}

/// No other scheme is let through: `javascript:` and `file:` have no place in a page.
pub fn is_web_address(url: &str) -> bool {
    let after = |scheme: &str| match url.get(..scheme.len()) {
        Some(start) if start.eq_ignore_ascii_case(scheme) => url.get(scheme.len()..),
        _ => None,
    };
    match after("https://").or_else(|| after("http://")) {
        Some(rest) => {
            !rest.is_empty() && !rest.starts_with('/') && !url.contains(|c: char| c.is_whitespace() || c.is_control())
        }
        None => false,
    }
}

fn last_part(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    percent_decoded(path.rsplit('/').next()?)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str, files: &[&str]) -> Option<String> {
        source_of(Some(url), |name| files.contains(&name))
    }

    #[test]
    fn a_file_is_preferred_to_the_address() {
        let url = "https://catalog.example/dresses/0001.svg";
        assert_eq!(source(url, &["0001.svg"]).as_deref(), Some("/pictures/0001.svg"));
        assert_eq!(source(url, &[]).as_deref(), Some(url));
        assert_eq!(source("0001.svg", &["0001.svg"]).as_deref(), Some("/pictures/0001.svg"));
        assert_eq!(source("https://x.example/a.jpg?w=200#top", &["a.jpg"]).as_deref(), Some("/pictures/a.jpg"));
    }

    #[test]
    fn odd_names_are_encoded_again() {
        assert_eq!(
            source("https://x.example/r%C3%A9d%20%23dress.PNG", &["réd #dress.PNG"]).as_deref(),
            Some("/pictures/r%C3%A9d%20%23dress.PNG")
        );
    }

    #[test]
    fn only_web_addresses_are_shown() {
        for url in ["http://x.example/a", "HTTPS://x.example/a.png", "https://x.example"] {
            assert_eq!(source(url, &[]).as_deref(), Some(url));
        }
        for url in [
            "",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
            "//x.example/a.png",
            "ftp://x/a.png",
            "http://",
            "https:///a.png",
            "https://x.example/a b",
            "https://x.example/\na",
            "0001.svg",
            "é",
        ] {
            assert_eq!(source(url, &[]), None, "{url}");
        }
        assert_eq!(source_of(None, |_| true), None);
    }

    #[test]
    fn a_name_is_never_a_path() {
        // Whatever the check for the file would say.
        for url in [
            "https://x.example/..",
            "https://x.example/%2e%2e",
            "https://x.example/..%2F..%2Fetc%2Fpasswd.svg",
            "https://x.example/..%5Cx.svg",
            "https://x.example/.hidden.svg",
            "https://x.example/a%00.svg",
            "https://x.example/a.html",
            "https://x.example/svg",
            "https://x.example/%zz.svg",
            "https://x.example/%C3.svg",
        ] {
            assert_eq!(source_of(Some(url), |_| true).as_deref(), Some(url));
        }
    }

    #[test]
    fn files_stay_inside_the_directory() {
        let base = std::env::temp_dir().join(format!("catalog-server-{}", std::process::id()));
        let directory = base.join("pictures");
        std::fs::create_dir_all(directory.join("folder.svg")).unwrap();
        std::fs::write(directory.join("0001.svg"), "<svg/>").unwrap();
        std::fs::write(base.join("secret.svg"), "<svg/>").unwrap();
        std::os::unix::fs::symlink(base.join("secret.svg"), directory.join("link.svg")).unwrap();

        assert!(file_of(&directory, "0001.svg").is_some());
        for name in ["0002.svg", "folder.svg", "link.svg", "../secret.svg", "..", ".", "", "/etc/passwd"] {
            assert_eq!(file_of(&directory, name), None, "{name}");
        }
        std::fs::remove_dir_all(base).unwrap();
    }
}
