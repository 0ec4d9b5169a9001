//! The configuration in force: what makes one, how it is written, who followed whom. Opens no
//! file.

pub mod history;
pub mod reign;
pub mod select;
pub mod text;

pub use reign::{Act, Reign};
pub use select::{Claim, select};
pub use text::{Bound, Champion};
