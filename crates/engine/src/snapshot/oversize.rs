//! The one object under way that is too large to be collected: in parts, or, where only a module can take it apart, at once.

use tributary_rdb::{Large as Start, Part};

use super::fitting::Fitting;
use super::large::Large;
use super::module::ModuleValue;
use super::origin::Origin;
use super::restore::Restorer;
use crate::Failure;
use crate::dialect::Dialect;
use crate::writer::Writer;

/// What becomes of an object whose parts come.
#[derive(Debug, Default)]
pub(super) enum Oversize {
    /// Nothing: there is none, or it is left out.
    #[default]
    None,
    /// It goes as commands.
    Parts(Box<Large>),
    /// It is gathered.
    Module(Box<ModuleValue>),
}

impl Oversize {
    /// For one that is to land in the database that the restorer has selected.
    ///
    /// # Errors
    /// What can be known to fail before any of it is sent.
    pub(super) fn begin(
        start: &Start<'_>,
        restorer: &mut Restorer,
        fitting: &mut Fitting,
        origin: &Origin<'_>,
        dialect: Dialect,
    ) -> Result<Self, Failure> {
        if start.module.is_some() {
            let gathered = ModuleValue::begin(start, fitting, origin)?;
            return Ok(gathered.map_or(Self::None, |value| Self::Module(Box::new(value))));
        }
        origin.check_length(start, dialect)?;
        let large = Large::begin(restorer, start, dialect, origin.unsupported);
        Ok(Self::Parts(Box::new(large)))
    }

    /// Takes a part.
    ///
    /// # Errors
    /// What cannot be written at the destination, or not be kept until it is whole.
    pub(super) async fn part(
        &mut self,
        part: &Part,
        restorer: &mut Restorer,
        origin: &Origin<'_>,
        dialect: Dialect,
    ) -> Result<(), Failure> {
        match (self, part) {
            (Self::None, _) => Ok(()),
            (Self::Module(value), Part::Opaque(bytes)) => value.take(bytes, origin, dialect).await,
            (Self::Module(_), _) => Ok(()),
            (Self::Parts(large), part) => {
                large.part(restorer, part).map_err(|what| origin.unwritable(&large.key, what, dialect))
            }
        }
    }

    /// All of it was there.
    ///
    /// # Errors
    /// When the destination refuses it.
    pub(super) async fn end(
        self,
        to: (&mut Restorer, &mut Writer),
        fitting: &mut Fitting,
        origin: &Origin<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::None => {}
            Self::Parts(large) => {
                if let Some(key) = large.end(to.0) {
                    fitting.without_field_expiry(&key, origin);
                }
            }
            Self::Module(value) => value.restore(to, fitting, origin).await?,
        }
        Ok(())
    }

    /// Removes what is written of it: without the rest it would stand there for good.
    pub(super) async fn abandon(self, restorer: &mut Restorer, writer: &mut Writer) -> Result<(), Failure> {
        let Self::Parts(mut large) = self else { return Ok(()) };
        // The destination waits for all of an argument that was announced.
        while large.fill_up(restorer) {
            restorer.send(writer).await?;
        }
        large.remove(restorer);
        Ok(())
    }
}
