//! Takes a dump's bytes as they come, and restores what is whole of it.

use tributary_rdb::{Decoder, Event, Limits};

use super::fitting::Fitting;
use super::origin::Origin;
use super::oversize::Oversize;
use super::restore::Restorer;
use crate::Failure;
use crate::dialect::Dialect;
use crate::writer::Writer;

/// Loads one dump, from a link or from a file.
pub(crate) struct Loader<'a> {
    origin: &'a Origin<'a>,
    decoder: Decoder,
    restorer: Restorer,
    oversize: Oversize,
    fitting: Fitting,
    dialect: Dialect,
    /// The database that the stream behind the dump has selected.
    pub stream_db: u32,
    /// What was not copied.
    left_out: LeftOut,
    /// Whether a database came that is taken.
    pub met: bool,
    /// Function libraries that were sent.
    pub functions: u64,
}

/// What was not copied, and is not meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LeftOut {
    /// Their time was over.
    pub expired: u64,
    /// They are checkpoints of replicas.
    pub marks: u64,
    /// They were left out, or kept without something, because the user agreed to that.
    pub omitted: u64,
}

impl<'a> Loader<'a> {
    /// `now_ms` is the Unix time by which relative expiries are reckoned.
    pub(crate) fn new(origin: &'a Origin<'a>, dialect: Dialect, now_ms: u64) -> Self {
        Self {
            origin,
            decoder: Decoder::new(Limits::default()),
            restorer: Restorer::new(dialect, now_ms),
            oversize: Oversize::None,
            fitting: Fitting::default(),
            dialect,
            stream_db: 0,
            left_out: LeftOut::default(),
            met: false,
            functions: 0,
        }
    }

    /// Takes bytes and restores all that is whole then; true at the dump's end.
    ///
    /// # Errors
    /// Of the dump, or of the destination.
    pub(crate) async fn take(&mut self, bytes: &[u8], writer: &mut Writer) -> Result<bool, Failure> {
        self.decoder.feed(bytes);
        self.drain(writer).await
    }

    /// Sends what is at hand, full or not.
    pub(crate) async fn send(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        self.restorer.send(writer).await
    }

    /// Removes an object of which only a part is written: without the rest it would stand there for good.
    pub(crate) async fn abandon(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        std::mem::take(&mut self.oversize).abandon(&mut self.restorer, writer).await?;
        self.restorer.send(writer).await
    }

    /// Bytes of the dump that were decoded.
    pub(crate) fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// What was not copied as it is.
    pub(crate) fn left_out(&self) -> LeftOut {
        LeftOut { omitted: self.fitting.omissions.keys(), ..self.left_out }
    }

    /// What came behind the dump's end.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        self.decoder.take_rest()
    }

    /// Restores all that the decoder has whole; true at the dump's end.
    async fn drain(&mut self, writer: &mut Writer) -> Result<bool, Failure> {
        let origin = self.origin;
        while let Some(event) = self.decoder.next_event().map_err(|e| origin.damaged(&e))? {
            match event {
                Event::Aux { name, value } if *name == *b"repl-stream-db" => {
                    self.stream_db = std::str::from_utf8(&value).ok().and_then(|db| db.parse().ok()).unwrap_or(0);
                }
                Event::Header { .. } | Event::Aux { .. } => {}
                Event::ModuleAux { module } => {
                    (origin.warn)(&format!(
                        "{} holds data of the module type {module} outside of keys; it is not copied.",
                        origin.name
                    ));
                }
                Event::SelectDb(db) => {
                    origin.check_db(self.dialect, db)?;
                    self.met |= origin.target(db).is_some();
                }
                Event::ResizeDb { .. } => {}
                Event::Function(code) => {
                    // Libraries belong to the whole server, not to the one database that is copied.
                    if origin.only.is_none() {
                        match (self.dialect.functions, origin.unsupported.skip_functions) {
                            (true, _) => {
                                self.restorer.function(&code);
                                self.functions += 1;
                            }
                            (false, true) => self.fitting.library(&code, origin),
                            (false, false) => return Err(origin.no_functions()),
                        }
                    }
                }
                Event::Value(value) => match origin.target(value.db) {
                    None => {}
                    Some(_) if origin.is_mark(&value.key)? => self.left_out.marks += 1,
                    Some(_) if origin.is_expired(value.expire_at_ms) => self.left_out.expired += 1,
                    Some(db) => {
                        self.restorer.select(db);
                        if self.fitting.is_plain(&value, self.dialect) {
                            self.restorer.value(&value);
                        } else {
                            self.fitting.place(&value, (&mut self.restorer, writer), origin, self.dialect).await?;
                        }
                    }
                },
                Event::LargeStart(start) => {
                    self.oversize = match origin.target(start.db) {
                        None => Oversize::None,
                        Some(_) if origin.is_expired(start.expire_at_ms) => {
                            self.left_out.expired += 1;
                            Oversize::None
                        }
                        Some(db) => {
                            self.restorer.select(db);
                            Oversize::begin(&start, &mut self.restorer, &mut self.fitting, origin, self.dialect)?
                        }
                    };
                }
                Event::LargePart(part) => {
                    self.oversize.part(&part, &mut self.restorer, origin, self.dialect).await?;
                }
                Event::LargeEnd => {
                    let to = (&mut self.restorer, &mut *writer);
                    std::mem::take(&mut self.oversize).end(to, &mut self.fitting, origin).await?;
                }
                Event::End => {
                    self.fitting.omissions.tell(origin.warn);
                    return Ok(true);
                }
            }
            self.restorer.send_full(writer).await?;
        }
        Ok(false)
    }
}
