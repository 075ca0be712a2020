//! Logins from many pods at once, as an Indexed Job in somebody's cluster: what that Job and its
//! Secret are ([`Plan`]); how it is made, started, suspended and removed by name ([`Jobs`]); how
//! its workers are followed until each has reported or will not ([`follow()`]), with the Job suspended at
//! the first sign of a lock-out; and their reports as one ([`Merged`]). Kubernetes schedules the workers,
//! limits and ends them. Which cluster it is, who logs in, and what a verdict is worth is for whoever calls
//! to say. It knows `cluster`, `probe` and `base`.

mod follow;
mod job;
mod jobs;
mod merge;

pub use follow::{Followed, follow};
pub use job::Plan;
pub use jobs::{Jobs, NotMade};
pub use merge::{Merged, Worker};
