//! Restores a module's value that is too large to be collected. Only the module can take it apart, so it goes as one RESTORE,
//! which begins with its length: the bytes wait in a file until all are there.

use std::io::SeekFrom;
use std::path::Path;
use std::sync::Arc;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tributary_rdb::{Large, dump};

use super::fitting::{Fitting, takes};
use super::origin::Origin;
use super::restore::{Frame, Restorer};
use crate::dialect::Dialect;
use crate::writer::{Batch, Writer, printable};
use crate::{ErrorKind, Failure};

/// Bytes that are read from the file at once.
const PIECE: usize = 256 * 1024;

/// A value whose bytes are being gathered.
#[derive(Debug)]
pub(super) struct ModuleValue {
    frame: Frame<'static>,
    module: String,
    type_byte: u8,
    /// It has no name, so nothing of it is left whatever becomes of this process.
    file: File,
    len: u64,
    footer: dump::Footer,
}

impl ModuleValue {
    /// Begins with one; `None` where it is left out: the destination lacks the module, and the user agreed.
    ///
    /// # Errors
    /// When the destination is known to lack the module, or there is no place for the bytes.
    pub(super) fn begin(
        start: &Large<'_>,
        fitting: &mut Fitting,
        origin: &Origin<'_>,
    ) -> Result<Option<Self>, Failure> {
        let module = start.module.clone().unwrap_or_default();
        if fitting.has_module(&module) == Some(false) {
            fitting.lacking(&start.key, &module, origin)?;
            return Ok(None);
        }
        let file = tempfile::tempfile_in(origin.scratch).map_err(|error| no_room(&start.key, origin, &error))?;
        let frame = Frame {
            key: start.key.to_vec().into(),
            expire_at_ms: start.expire_at_ms,
            idle_s: start.idle_s,
            freq: start.freq,
        };
        let (type_byte, footer) = (start.kind.byte(), dump::Footer::new(start.kind));
        Ok(Some(Self { frame, module, type_byte, file: File::from_std(file), len: 0, footer }))
    }

    /// Takes bytes of it.
    ///
    /// # Errors
    /// When it is above a limit of the destination, or the disk does not take the bytes.
    pub(super) async fn take(&mut self, bytes: &[u8], origin: &Origin<'_>, dialect: Dialect) -> Result<(), Failure> {
        self.len += bytes.len() as u64;
        if !self.payload_len().is_some_and(|len| takes(len, dialect)) {
            let what = format!("{}, a value of the module type {}, of which", printable(&self.frame.key), self.module);
            return Err(origin.above_limit(&what, self.len, dialect));
        }
        self.footer.update(bytes);
        self.file.write_all(bytes).await.map_err(|error| no_room(&self.frame.key, origin, &error))
    }

    /// Sends it. The first value of a module's type shows whether the destination has it.
    ///
    /// # Errors
    /// When the destination refuses it.
    pub(super) async fn restore(
        mut self,
        to: (&mut Restorer, &mut Writer),
        fitting: &mut Fitting,
        origin: &Origin<'_>,
    ) -> Result<(), Failure> {
        let (restorer, writer) = to;
        // Also brings the connection to the value's database.
        restorer.send(writer).await?;
        let length = self.payload_len().map_or(usize::MAX, dump::payload_len);
        let mut piece = restorer.begin_frame(&self.frame, length);
        piece.push(self.type_byte);
        let unread = |error: std::io::Error| no_room(&self.frame.key, origin, &error);
        self.file.flush().await.map_err(unread)?;
        self.file.seek(SeekFrom::Start(0)).await.map_err(unread)?;
        let mut left = self.len;
        while left > 0 {
            // A piece of one large command has no reply of its own.
            writer.submit(Batch { bytes: Arc::new(piece), ..Batch::default() }).await?;
            piece = vec![0; usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))];
            self.file.read_exact(&mut piece).await.map_err(unread)?;
            left -= piece.len() as u64;
        }
        piece.extend_from_slice(&self.footer.bytes());
        restorer.end_frame(&mut piece, &self.frame);
        let verdict = writer.ask(piece).await?;
        if fitting.judged(&verdict, &self.frame.key, &self.module, origin)? {
            restorer.added_key();
        } else {
            fitting.lacking(&self.frame.key, &self.module, origin)?;
        }
        Ok(())
    }

    fn payload_len(&self) -> Option<usize> {
        usize::try_from(self.len).ok()
    }
}

fn no_room(key: &[u8], origin: &Origin<'_>, error: &std::io::Error) -> Failure {
    let folder = origin.scratch.display();
    let message = format!(
        "{} holds {}, a large value of a module, which has to wait in a file in {folder} until it is whole: {error}.",
        origin.dump,
        printable(key)
    );
    Failure::new(ErrorKind::SpoolFull, &origin.name, message)
}

/// Where such a file is made: the folder of the spools, or, where they stay in memory, the system's own for such files.
pub(crate) fn scratch(spools: Option<&Path>) -> std::path::PathBuf {
    spools.filter(|folder| folder.is_dir()).map_or_else(std::env::temp_dir, Path::to_path_buf)
}
