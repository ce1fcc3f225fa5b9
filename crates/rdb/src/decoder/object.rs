//! Objects: whole where they are small, else part by part.

use std::borrow::Cow;
use std::ops::Range;

use super::{Decoder, Found, State, Stop};
use crate::content::{Content, Step};
use crate::cursor::Cursor;
use crate::error::{Broken, RdbError, shown};
use crate::event::{Large, module_name};
use crate::kind::{Encoding, Logical, ValueKind};
use crate::skim::Skim;

/// An object of which the end has not been found yet.
#[derive(Debug)]
pub(super) struct Object {
    pub kind: ValueKind,
    pub encoding: Encoding,
    /// The key, with its length.
    pub key: Range<usize>,
    pub skim: Skim,
}

impl Decoder {
    pub(super) fn object(&mut self, mut object: Object) -> Result<Found, Stop> {
        let begin = object.key.end;
        let value = self.buf.get(self.start + begin..).unwrap_or_default();
        match object.skim.walk(value) {
            Ok(len) if len <= self.limits.collect => {
                self.shown = begin + len;
                Ok(Found::Value(object.kind, object.key, len))
            }
            Ok(_) => self.begin_large(object),
            Err(Broken::Need) if value.len() > self.limits.collect => self.begin_large(object),
            Err(Broken::Need) => {
                self.state = State::Object(object);
                Err(Broken::Need.into())
            }
            // Not earlier than it would be if the value came in small pieces.
            Err(_) if object.skim.at > self.limits.collect => self.begin_large(object),
            Err(broken) => {
                let offset = self.offset + (begin + object.skim.at) as u64;
                let key = Cursor::new(self.rest(), object.key.start).string()?;
                Err(RdbError::in_value(shown(&key), broken.at(offset)).into())
            }
        }
    }

    fn begin_large(&mut self, object: Object) -> Result<Found, Stop> {
        let rest = self.rest();
        let key = Cursor::new(rest, object.key.start).string()?.into_owned();
        let shown_key = shown(&key);
        let module = match object.kind.logical() {
            Some(Logical::Module) => Some(module_name(Cursor::new(rest, object.key.end).length()?)),
            _ => None,
        };
        let string_len = match object.encoding {
            Encoding::String => Some(Cursor::new(rest, object.key.end).string_head()?.len()),
            _ => None,
        };
        let meta = std::mem::take(&mut self.meta);
        let large = Large {
            db: self.db,
            key: Cow::Owned(key),
            expire_at_ms: meta.expire_at_ms,
            idle_s: meta.idle_s,
            freq: meta.freq,
            kind: object.kind,
            string_len,
            module,
        };
        self.shown = object.key.end;
        let content = Content::new(object.encoding, self.limits.part);
        self.state = State::Large(Box::new(content), shown_key);
        Ok(Found::LargeStart(large))
    }

    pub(super) fn large(&mut self, mut content: Box<Content>, key: String) -> Result<Found, Stop> {
        match content.next(self.rest()) {
            Ok(Step::Part(used, part)) => {
                self.shown = used;
                self.state = State::Large(content, key);
                Ok(Found::LargePart(part))
            }
            Ok(Step::Progress(used)) => {
                self.shown = used;
                self.state = State::Large(content, key);
                Ok(Found::Nothing)
            }
            Ok(Step::End(used)) => {
                self.shown = used;
                Ok(Found::LargeEnd)
            }
            Err(Broken::TooLarge(_, limit)) => Err(self.cannot_split("one element".to_owned(), key, limit)),
            Err(Broken::Need) => {
                self.state = State::Large(content, key);
                Err(Broken::Need.into())
            }
            Err(broken) => Err(RdbError::in_value(key, broken.at(self.offset())).into()),
        }
    }

    fn cannot_split(&self, kind: String, key: String, limit: u64) -> Stop {
        RdbError::CannotSplit { kind, key, offset: self.offset, limit }.into()
    }
}
