//! From the text of a file to what it declares: every URL read, every name and identity checked.

use std::collections::HashSet;
use std::path::Path;

use toml::Spanned;
use tributary_engine::{Endpoint, Trust};

use super::error::line_of;
use super::form::{self, File};
use super::{DeclarationError, Declarations, DeclaredEndpoint, DeclaredReplica, DeclaredSource, SecretPlace};
use crate::drafting;

/// Longer ones would make the names of checkpoints unwieldy.
const LONGEST_ID: usize = 200;

impl Declarations {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or holds something else, with the line.
    pub fn read(path: &Path) -> Result<Self, DeclarationError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text),
            Err(error) => Err(DeclarationError { file, line: 1, message: format!("it cannot be read: {error}") }),
        }
    }

    /// Reads the text of `file`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, DeclarationError> {
        let reader = Reader { file, text };
        let written: File = toml::from_str(text).map_err(|error| reader.misread(&error))?;
        let replicas =
            written.replica.into_iter().map(|replica| reader.replica(replica)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { file: file.to_owned(), data: written.data, metrics: written.metrics, replicas })
    }

    /// An error at a line of this file.
    pub(crate) fn wrong(&self, line: usize, message: impl Into<String>) -> DeclarationError {
        DeclarationError { file: self.file.clone(), line, message: message.into() }
    }
}

/// The secrets and the pasted certificate that stand beside a URL.
struct Beside {
    password: Option<SecretPlace>,
    key_passphrase: Option<SecretPlace>,
    certificate: Option<String>,
    /// What the fields beside a destination's URL begin with.
    prefix: &'static str,
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, at: usize, message: impl Into<String>) -> DeclarationError {
        DeclarationError { file: self.file.to_owned(), line: line_of(self.text, at), message: message.into() }
    }

    /// What the parser says, at the field of its line; never with the rest of that line.
    fn misread(&self, error: &toml::de::Error) -> DeclarationError {
        let at = error.span().map_or(0, |span| span.start);
        let line = self.text.lines().nth(line_of(self.text, at) - 1).unwrap_or_default();
        let field = line.split_once('=').map(|(field, _)| field.trim());
        let plain = |field: &&str| !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match field.filter(plain).filter(|field| !error.message().contains(*field)) {
            Some(field) => self.wrong(at, format!("{field}: {}", error.message())),
            None => self.wrong(at, error.message()),
        }
    }

    fn replica(&self, written: form::Replica) -> Result<DeclaredReplica, DeclarationError> {
        let line = line_of(self.text, written.name.span().start);
        let beside = Beside {
            password: written.destination_password,
            key_passphrase: written.destination_key_passphrase,
            certificate: written.destination_certificate,
            prefix: "destination_",
        };
        let destination = self.endpoint(&written.destination, beside)?;
        if destination.endpoint.compression {
            let message = "?compress= is for sources, whose link a relay compresses; a destination has none";
            return Err(self.wrong(written.destination.span().start, message));
        }
        let mut names = HashSet::new();
        let mut sources = Vec::with_capacity(written.source.len());
        for source in written.source {
            let at = source.name.span().start;
            let source = self.source(source)?;
            if !names.insert(source.name.clone()) {
                return Err(
                    self.wrong(at, format!("another source of this replica is already called “{}”", source.name))
                );
            }
            sources.push(source);
        }
        Ok(DeclaredReplica {
            line,
            id: self.id(written.id)?,
            name: self.name(&written.name)?,
            destination,
            flush: written.flush,
            options: written.options.into(),
            sources,
        })
    }

    fn source(&self, written: form::Source) -> Result<DeclaredSource, DeclarationError> {
        let (password, key_passphrase, certificate) = (written.password, written.key_passphrase, written.certificate);
        let beside = Beside { password, key_passphrase, certificate, prefix: "" };
        Ok(DeclaredSource {
            id: self.id(written.id)?,
            name: self.name(&written.name)?,
            endpoint: self.endpoint(&written.url, beside)?,
            stopped: written.stopped,
        })
    }

    fn name(&self, written: &Spanned<String>) -> Result<String, DeclarationError> {
        drafting::check_name(written.as_ref(), "name", "a name is not empty")
            .map_err(|error| self.wrong(written.span().start, error.to_string()))
    }

    fn id(&self, written: Option<Spanned<String>>) -> Result<Option<String>, DeclarationError> {
        let Some(id) = written else { return Ok(None) };
        let at = id.span().start;
        let id = id.into_inner();
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == ':';
        if id.is_empty() || id.chars().count() > LONGEST_ID || id.contains(odd) || id == crate::demo::ID {
            let message = format!(
                "an id has 1 to {LONGEST_ID} characters, without spaces and colons, and is not “{}”",
                crate::demo::ID
            );
            return Err(self.wrong(at, message));
        }
        Ok(Some(id))
    }

    fn endpoint(&self, url: &Spanned<String>, beside: Beside) -> Result<DeclaredEndpoint, DeclarationError> {
        let at = url.span().start;
        let mut endpoint = Endpoint::parse(url.as_ref()).map_err(|error| self.wrong(at, error.to_string()))?;
        let field = |name: &str| format!("{}{name}", beside.prefix);
        if endpoint.password.is_some() {
            let field = field("password");
            let message = format!(
                "a password does not stand in a URL of this file: say where it is, {field} = {{ env = \"VARIABLE\" }}, \
                 {field} = {{ file = \"/path\" }} or {field} = {{ keyring = \"account\" }}"
            );
            return Err(self.wrong(at, message));
        }
        if let Some(certificate) = beside.certificate {
            match &mut endpoint.tls {
                Some(tls) if tls.trust == Trust::System => tls.trust = Trust::Certificate(certificate),
                Some(_) => {
                    let message = format!("{} and ?ca= exclude each other: trust one of them", field("certificate"));
                    return Err(self.wrong(at, message));
                }
                None => {
                    let message =
                        format!("{} is about TLS: write rediss:// for an encrypted link", field("certificate"));
                    return Err(self.wrong(at, message));
                }
            }
        }
        let has_key = endpoint.tls.as_ref().is_some_and(|tls| tls.identity.is_some());
        if beside.key_passphrase.is_some() && !has_key {
            let message = format!("{} needs a key: add ?cert=FILE&key=FILE to the URL", field("key_passphrase"));
            return Err(self.wrong(at, message));
        }
        let line = line_of(self.text, at);
        Ok(DeclaredEndpoint { line, endpoint, password: beside.password, key_passphrase: beside.key_passphrase })
    }
}
