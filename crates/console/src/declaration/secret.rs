//! Where a secret is. The secret itself never stands in a file of definitions.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tributary_engine::Secret;

use crate::definition::{Credential, Place};

const IN_ENVIRONMENT: &str = "env:";
const IN_FILE: &str = "file:";
const FORMS: &str = "{ env = \"VARIABLE\" }, { file = \"/path\" } or { keyring = \"account\" }";

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// An environment variable.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// The keyring of the operating system, by the account it is kept under.
    Keyring(String),
}

impl SecretPlace {
    /// Reads it where it can be read without a keyring.
    ///
    /// # Errors
    /// What is missing, without any part of a secret.
    pub(crate) fn read(&self) -> Result<Option<Secret>, String> {
        match self {
            Self::Env(variable) => match std::env::var(variable) {
                Ok(secret) if !secret.is_empty() => Ok(Some(Secret::new(secret))),
                _ => Err(format!("the environment variable {variable} is not set: set it to the secret")),
            },
            Self::File(path) => first_line(path).map(Some),
            Self::Keyring(_) => Ok(None),
        }
    }

    /// The same as a definition keeps it. What is read from the environment or a file is held in memory only.
    pub(crate) fn credential(&self) -> Credential {
        let memory = |reference| Credential { reference, place: Place::Memory };
        match self {
            Self::Env(variable) => memory(format!("{IN_ENVIRONMENT}{variable}")),
            Self::File(path) => memory(format!("{IN_FILE}{}", path.display())),
            Self::Keyring(account) => Credential { reference: account.clone(), place: Place::Keyring },
        }
    }

    /// Whether a secret was entered in the window, rather than named in a file.
    pub(crate) fn was_entered(credential: &Credential) -> bool {
        let named = [IN_ENVIRONMENT, IN_FILE].iter().any(|form| credential.reference.starts_with(form));
        credential.place == Place::Keyring || !named
    }

    /// Where the secret of a definition is. One that was typed for a single run gets a variable named after `what` it is,
    /// and none of those that are `taken`.
    pub(crate) fn of(credential: &Credential, what: &str, taken: &mut HashSet<String>) -> Self {
        match credential.place {
            Place::Keyring => Self::Keyring(credential.reference.clone()),
            Place::Memory => {
                let reference = &credential.reference;
                let file = || Some(Self::File(PathBuf::from(reference.strip_prefix(IN_FILE)?)));
                let env = reference.strip_prefix(IN_ENVIRONMENT).map(|variable| Self::Env(variable.to_owned()));
                env.or_else(file).unwrap_or_else(|| Self::Env(free(variable_of(what), taken)))
            }
        }
    }
}

/// As a file writes it.
impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        match self {
            Self::Env(variable) => write!(f, "{{ env = {} }}", quoted(variable)),
            Self::File(path) => write!(f, "{{ file = {} }}", quoted(&path.display().to_string())),
            Self::Keyring(account) => write!(f, "{{ keyring = {} }}", quoted(account)),
        }
    }
}

fn first_line(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("the secret in {shown} cannot be read: {error}"))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line.to_owned())),
        _ => Err(format!("{shown} holds no secret: its first line is empty")),
    }
}

/// `eu-cache s1 password` as `TRIBUTARY_EU_CACHE_S1_PASSWORD`.
fn variable_of(what: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("TRIBUTARY_{}", what.chars().map(letter).collect::<String>())
}

/// The name, or the name with a number: two servers must not get each other's password.
fn free(name: String, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
    free.unwrap_or(name)
}

impl<'de> Deserialize<'de> for SecretPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand: a derived form would repeat a password that was written here by mistake.
        deserializer.deserialize_any(PlaceVisitor)
    }
}

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = SecretPlace;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretPlace, E> {
        Err(E::custom(format!("a secret does not stand in this file: say where it is, {FORMS}")))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretPlace, E> {
        self.visit_str("")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretPlace, E> {
        self.visit_str("")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretPlace, A::Error> {
        let other = || A::Error::custom(format!("a secret is at one place: {FORMS}"));
        let place = match map.next_key::<String>()?.as_deref() {
            Some("env") => SecretPlace::Env(map.next_value()?),
            Some("file") => SecretPlace::File(map.next_value()?),
            Some("keyring") => SecretPlace::Keyring(map.next_value()?),
            _ => return Err(other()),
        };
        match map.next_key::<String>()? {
            None => Ok(place),
            Some(_) => Err(other()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_and_found_again_without_the_secret() {
        for place in [
            SecretPlace::Env("A_B".into()),
            SecretPlace::File("/run/a b".into()),
            SecretPlace::Keyring("r/destination".into()),
        ] {
            assert_eq!(SecretPlace::of(&place.credential(), "x", &mut HashSet::new()), place);
        }
        let typed = Credential { reference: "r/s".into(), place: Place::Memory };
        let mut taken = HashSet::new();
        for variable in ["TRIBUTARY_EU_CACHE_S1_PASSWORD", "TRIBUTARY_EU_CACHE_S1_PASSWORD_2"] {
            let place = SecretPlace::of(&typed, "eu-cache s1 password", &mut taken);
            assert_eq!(place, SecretPlace::Env(variable.into()));
        }
    }

    #[test]
    fn a_file_gives_its_first_line_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\nmore\n").unwrap();
        let read = SecretPlace::File(path.clone()).read().unwrap().unwrap();
        assert_eq!(read.expose(), "hunter2");
        std::fs::write(&path, "\nhunter2\n").unwrap();
        let empty = SecretPlace::File(path).read().unwrap_err();
        assert!(empty.contains("holds no secret") && !empty.contains("hunter2"), "{empty}");
        let unset = SecretPlace::Env("TRIBUTARY_TEST_UNSET".into()).read().unwrap_err();
        assert!(unset.contains("TRIBUTARY_TEST_UNSET"), "{unset}");
    }
}
