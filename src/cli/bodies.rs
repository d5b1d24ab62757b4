//! Bodies of webhooks from files, the JSON files of folders, and standard input; byte for byte.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::output;

/// Longest body: more than any bridge takes, so that a refusal can be tried too.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Stands for standard input.
const STDIN: &str = "-";
/// Beside the bodies of a test case: what they come to. It is no body.
const EXPECTED: &str = "expected.json";

/// A body and what it is called.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Reads all bodies, in the order of `files`; at least one.
///
/// # Errors
/// A file cannot be read, or a folder holds none.
pub(super) fn read(files: &[String]) -> anyhow::Result<Vec<Body>> {
    let mut bodies = Vec::new();
    for file in files {
        if file == STDIN {
            bodies.push(Body { name: file.clone(), bytes: one(file)? });
            continue;
        }
        let path = Path::new(file);
        let paths = if path.is_dir() { folder(path)? } else { vec![path.to_owned()] };
        for path in paths {
            let name = path.display().to_string();
            let bytes = one(&name)?;
            bodies.push(Body { name, bytes });
        }
    }
    Ok(bodies)
}

/// Reads one body: a file, or `-` for standard input.
///
/// # Errors
/// It cannot be read, or is too long.
pub(super) fn one(file: &str) -> anyhow::Result<Vec<u8>> {
    let opened = if file == STDIN { limited(io::stdin().lock()) } else { File::open(file).and_then(limited) };
    opened.map_err(|error| {
        let hint = "name a file that holds the body of one webhook, or - to read it from standard input";
        output::failed(format!("cannot read {file}: {error}"), hint)
    })
}

fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BODY_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {BODY_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The JSON files of a folder, by name, without the one that says what is to come of them.
fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = || -> io::Result<Vec<PathBuf>> { fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect() };
    let mut files = listed().map_err(|error| {
        output::failed(format!("cannot read the folder {}: {error}", path.display()), "name a folder that you may read")
    })?;
    let is_json = |file: &PathBuf| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) && file.is_file();
    files.retain(|file| is_json(file) && file.file_name().is_none_or(|name| name != EXPECTED));
    files.sort();
    if files.is_empty() {
        let hint = "name a folder that holds them directly, or the files themselves";
        return Err(output::failed(format!("the folder {} holds no *.json files", path.display()), hint));
    }
    Ok(files)
}
