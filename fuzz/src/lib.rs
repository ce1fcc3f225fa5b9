//! What the targets share. `scripts/fuzz.sh` builds and runs them; each file in `bin/` says what it holds true.

mod memory;
mod pieces;
pub mod seen;

pub use memory::bounded;
pub use pieces::Pieces;
