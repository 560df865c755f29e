//! The rules of the house that a machine can check. Each rule is tried on a bad example too, so that it can fail.
//!
//! | module | rules |
//! |---|---|
//! | `layers` | data flows one way through `src/` |
//! | `rules` | bytes on media, atomics, file length, unfinished code, ignored tests, features |
//! | `unsafety` | unsafe code has an address |
//! | `packages` | given packages do their work (row L12) |
//! | `features` | docs/FEATURES.md and the tests agree (row L17) |
//! | `readme` | the tree a newcomer sees |

#[path = "tidy/features.rs"]
mod features;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/readme.rs"]
mod readme;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/unsafety.rs"]
mod unsafety;
