//! Repairs.

use std::sync::Arc;

use super::applied::Applied;
use super::handle::Repair;
use super::ledger::Ledger;
use crate::ReplicaSpec;

/// The connections of one order.
pub(super) struct Repairs;

impl Repairs {
    pub(super) fn new(_spec: &ReplicaSpec, _ledger: &Arc<Ledger>, _applied: &Arc<Applied>) -> Self {
        Self
    }

    pub(super) async fn make(&mut self, _order: Repair) {}
}
