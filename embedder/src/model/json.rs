//! A JSON file of a model that knows its own path, so that every complaint can name file and field.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// Gives the bytes of a file of the model by its path within the model's directory; `None` if there is no such file.
pub type Read<'r> = &'r dyn Fn(&str) -> Result<Option<Vec<u8>>>;

/// A JSON file.
#[derive(Debug)]
pub struct Json {
    pub path: PathBuf,
    pub value: Value,
}

impl Json {
    pub fn read(directory: &Path, name: &str, read: Read) -> Result<Self> {
        let missing = || Error::FileMissing { path: directory.join(name) };
        Self::find(directory, name, read)?.ok_or_else(missing)
    }

    /// The same for a file that need not be there.
    pub fn find(directory: &Path, name: &str, read: Read) -> Result<Option<Self>> {
        let path = directory.join(name);
        let Some(bytes) = read(name)? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(Self { path, value })),
            Err(e) => Err(Error::Malformed { path, reason: e.to_string() }),
        }
    }

    /// What stands in `field`; a field that is not there is as good as null.
    pub fn get<T: DeserializeOwned>(&self, field: &str) -> Result<T> {
        serde_json::from_value(self.field(field).clone())
            .map_err(|e| Error::Malformed { path: self.path.clone(), reason: format!("field \"{field}\": {e}") })
    }

    pub fn field(&self, field: &str) -> &Value {
        self.value.get(field).unwrap_or(&Value::Null)
    }

    /// Fails unless `field` is `supported`.
    pub fn expect(&self, field: &str, supported: impl Into<Value>) -> Result<()> {
        let supported = supported.into();
        if *self.field(field) == supported { Ok(()) } else { Err(self.unsupported(field, supported.to_string())) }
    }

    /// The same for a field that may be left out, and is then what is supported.
    pub fn expect_if_given(&self, field: &str, supported: impl Into<Value>) -> Result<()> {
        if self.field(field).is_null() { Ok(()) } else { self.expect(field, supported) }
    }

    /// Fails for a field that is not one of `known`, unless it says nothing.
    pub fn expect_nothing_but(&self, known: &[&str]) -> Result<()> {
        let says_something = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Object(fields) => !fields.is_empty(),
            _ => true,
        };
        let fields = self.value.as_object().into_iter().flatten();
        match fields.into_iter().find(|(field, value)| !known.contains(&field.as_str()) && says_something(value)) {
            Some((field, _)) => Err(self.unsupported(field, "a file without this field")),
            None => Ok(()),
        }
    }

    /// The error for what stands in `field`.
    pub fn unsupported(&self, field: &str, supported: impl Into<String>) -> Error {
        self.unsupported_value(field, self.field(field).to_string(), supported)
    }

    pub fn unsupported_value(&self, field: &str, found: String, supported: impl Into<String>) -> Error {
        Error::Unsupported { path: self.path.clone(), field: field.to_owned(), found, supported: supported.into() }
    }
}
