use super::restore::Restorer;
use crate::destination::Dialect;
use tributary_rdb::{LargePart, LargeStart};
pub(super) struct Large;
impl Large {
    pub(super) fn begin(_: &mut Restorer, _: &LargeStart, _: Dialect) -> Self {
        Large
    }
    pub(super) fn part(&mut self, _: &mut Restorer, _: &LargePart) -> Result<(), String> {
        Ok(())
    }
    pub(super) fn end(self, r: &mut Restorer) {
        r.added_key();
        r.added()
    }
}
