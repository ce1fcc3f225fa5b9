//! Values that the destination does not take as they come: in another encoding, in parts, or not at all.

use std::collections::HashMap;

use tributary_rdb::{Logical, Rewritten, Value, ValueKind, dump};

use super::large::Large;
use super::origin::Origin;
use super::restore::Restorer;
use crate::dialect::Dialect;
use crate::failure::classify_reply;
use crate::omissions::Omissions;
use crate::writer::{Verdict, Writer, printable};
use crate::{ErrorKind, Failure};

/// Largest value that is written in another encoding as a whole; what is larger goes in parts.
const WHOLE: usize = 16 << 20;
/// Bytes of a part.
const PART: usize = 1 << 20;

/// Finds a form for what does not fit.
#[derive(Debug, Default)]
pub(super) struct Fitting {
    /// Types of modules, and whether the destination has them.
    modules: HashMap<String, bool>,
    pub omissions: Omissions,
}

impl Fitting {
    /// Whether a value goes through as it is.
    pub(super) fn is_plain(&self, value: &Value<'_>, dialect: Dialect) -> bool {
        dialect.loads.knows(value.kind)
            && value.kind.logical() != Some(Logical::Module)
            && takes(value.raw.len(), dialect)
    }

    /// Restores a value that is not plain.
    pub(super) async fn place(
        &mut self,
        value: &Value<'_>,
        to: (&mut Restorer, &mut Writer),
        origin: &Origin<'_>,
        dialect: Dialect,
    ) -> Result<(), Failure> {
        let (restorer, writer) = to;
        if let Some(module) = value.module() {
            if !takes(value.raw.len(), dialect) {
                let what = format!("{}, a value of the module type {module}", printable(&value.key));
                return Err(origin.above_limit(&what, value.raw.len() as u64, dialect));
            }
            return self.module(value, &module, restorer, writer, origin).await;
        }
        if dialect.loads.knows(value.kind) {
            return self.in_parts(value, (restorer, writer), origin, dialect).await;
        }
        let rewritten = |drop_field_expiry| {
            value
                .rewritten(dialect.loads, WHOLE, drop_field_expiry)
                .map_err(|error| origin.damaged_value(&value.key, &error))
        };
        match rewritten(false)? {
            Rewritten::As(kind, raw) => self.rewritten(value, kind, &raw, (restorer, writer), origin, dialect).await,
            Rewritten::TooLarge => self.in_parts(value, (restorer, writer), origin, dialect).await,
            Rewritten::Never => Err(origin.never(&value.key, value.kind)),
            Rewritten::FieldExpiry if !origin.unsupported.drop_field_expiry => Err(origin.field_expiry(&value.key)),
            Rewritten::FieldExpiry => {
                self.without_field_expiry(&value.key, origin);
                match rewritten(true)? {
                    Rewritten::As(kind, raw) => {
                        self.rewritten(value, kind, &raw, (restorer, writer), origin, dialect).await
                    }
                    _ => self.in_parts(value, (restorer, writer), origin, dialect).await,
                }
            }
        }
    }

    async fn rewritten(
        &mut self,
        value: &Value<'_>,
        kind: ValueKind,
        raw: &[u8],
        to: (&mut Restorer, &mut Writer),
        origin: &Origin<'_>,
        dialect: Dialect,
    ) -> Result<(), Failure> {
        if !takes(raw.len(), dialect) {
            return self.in_parts(value, to, origin, dialect).await;
        }
        let key = std::borrow::Cow::Borrowed(&*value.key);
        to.0.value(&Value { kind, raw, key, ..*value });
        Ok(())
    }

    /// Notes that fields of a hash were kept without their expiry, which the user agreed to.
    pub(super) fn without_field_expiry(&mut self, key: &[u8], origin: &Origin<'_>) {
        let reason =
            format!("Hashes whose fields are kept without their expiry, which {} does not know", origin.destination);
        self.omissions.note(&reason, key, origin.warn);
    }

    /// Notes a function library that is left out, which the user agreed to.
    pub(super) fn library(&mut self, code: &[u8], origin: &Origin<'_>) {
        // The first line is `#!lua name=…` (Redis' functions.c, `functionExtractLibMetaData`).
        let line = code.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let name = line.split(|byte| byte.is_ascii_whitespace()).find_map(|word| word.strip_prefix(b"name="));
        let reason = format!("Function libraries left out, which {} does not know", origin.destination);
        self.omissions.note(&reason, name.unwrap_or(line), origin.warn);
    }

    /// Restores a value as commands, part by part.
    async fn in_parts(
        &mut self,
        value: &Value<'_>,
        to: (&mut Restorer, &mut Writer),
        origin: &Origin<'_>,
        dialect: Dialect,
    ) -> Result<(), Failure> {
        let (restorer, writer) = to;
        let start = value.in_parts();
        origin.check_length(&start, dialect)?;
        let mut large = Large::begin(restorer, &start, dialect, origin.unsupported);
        for part in value.parts(PART) {
            let part = part.map_err(|error| origin.damaged_value(&value.key, &error))?;
            large.part(restorer, &part).map_err(|what| origin.unwritable(&value.key, what, dialect))?;
            restorer.send_full(writer).await?;
        }
        if large.end(restorer).is_some() {
            self.without_field_expiry(&value.key, origin);
        }
        Ok(())
    }

    /// The first value of a module's type shows whether the destination has it.
    async fn module(
        &mut self,
        value: &Value<'_>,
        module: &str,
        restorer: &mut Restorer,
        writer: &mut Writer,
        origin: &Origin<'_>,
    ) -> Result<(), Failure> {
        match self.has_module(module) {
            Some(true) => restorer.value(value),
            Some(false) => self.lacking(&value.key, module, origin)?,
            None => {
                // Also brings the connection to the value's database.
                restorer.send(writer).await?;
                let verdict = writer.ask(restorer.command(value)).await?;
                if self.judged(&verdict, &value.key, module, origin)? {
                    restorer.added_key();
                } else {
                    self.lacking(&value.key, module, origin)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the destination has a module's type; `None` before a value of it was tried.
    pub(super) fn has_module(&self, module: &str) -> Option<bool> {
        self.modules.get(module).copied()
    }

    /// What the answer to the RESTORE of a module's value says of the module.
    ///
    /// # Errors
    /// When it says something else.
    pub(super) fn judged(
        &mut self,
        verdict: &Verdict,
        key: &[u8],
        module: &str,
        origin: &Origin<'_>,
    ) -> Result<bool, Failure> {
        let known = match verdict {
            Ok(()) => true,
            Err(line) if classify_reply(line) == ErrorKind::ValueRefused && self.has_module(module) != Some(true) => {
                false
            }
            Err(line) => return Err(origin.refused(key, line)),
        };
        self.modules.insert(module.to_owned(), known);
        Ok(known)
    }

    /// Leaves a key out, if the user agreed to that.
    ///
    /// # Errors
    /// When not.
    pub(super) fn lacking(&mut self, key: &[u8], module: &str, origin: &Origin<'_>) -> Result<(), Failure> {
        if !origin.unsupported.skip_module_keys {
            return Err(origin.module_missing(key, module));
        }
        let reason = format!("Left out, because {} lacks the module of the type {module}", origin.destination);
        self.omissions.note(&reason, key, origin.warn);
        Ok(())
    }
}

/// Whether RESTORE of a value of so many bytes may be sent.
pub(super) fn takes(raw: usize, dialect: Dialect) -> bool {
    dialect.takes(dump::payload_len(raw) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect() -> Dialect {
        Dialect::of(&crate::control::Info::parse("redis_version:7.0.0"), 16, crate::Expiry::Exact)
    }

    #[test]
    fn a_limit_counts_where_it_is_known() {
        let dialect = dialect();
        assert!(takes(1 << 30, dialect));
        assert!(!takes(1 << 20, Dialect { longest_string: Some(1 << 20), ..dialect }));
        assert!(takes((1 << 20) - 11, Dialect { longest_string: Some(1 << 20), ..dialect }));
        assert!(!takes((1 << 20) - 100, Dialect { largest_command: Some(1 << 20), ..dialect }));
    }
}
