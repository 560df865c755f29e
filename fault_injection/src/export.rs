//! A recording for other eyes: a picture for people, a log for the tools of others.
//!
//! | part | what |
//! |---|---|
//! | `timeline` | [`Recording::timeline_svg`](crate::Recording::timeline_svg): store → flush → fence, line by line |
//! | `pmemcheck` | [`Recording::pmemcheck_log`](crate::Recording::pmemcheck_log): the log that pmreorder replays |

mod pmemcheck;
mod timeline;

pub use pmemcheck::UnfitPath;
