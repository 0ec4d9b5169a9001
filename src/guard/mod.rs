//! The guard over production, as far as it is thinking: what is to be done about the container
//! that serves by day, from what is recorded and what is seen. Looks at nothing, stops nothing.

pub mod decide;
pub mod hours;
pub mod stay;

pub use decide::{Next, Opening, Seen, State, give_back, is_back, open};
pub use hours::{ClockTime, Window};
pub use stay::{Return, Stay, Taken};
