//! What `doctor` says about a pool that is already there: whether it opens, and how its regions lie.

use std::path::Path;

use everline_region::RegionInfo;
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::for_reading;
use crate::output::Lines;

/// Optane modules write 256 bytes at a time (Intel 64 and IA-32 Architectures Optimization Reference Manual, on Optane
/// memory): a region that begins or ends within such a block pays for the whole of it.
const BLOCK_BYTES: u64 = 256;
/// Misaligned regions that are listed; all of them are counted.
const LISTED_MAX: usize = 20;

/// A pool, as far as it can be looked into.
pub enum Pool {
    /// It opens; these regions of at least a block do not begin on one.
    Opens { misaligned: Vec<RegionInfo> },
    /// Somebody else has it open, which says that it is well.
    Busy,
    /// It does not open.
    Fails(Failure),
}

/// Looks into the pool at `path`; changes no byte.
pub fn examine(path: &Path, global: &Global) -> Pool {
    let looked = for_reading(path, global).and_then(|(pool, _place)| {
        let listed = pool
            .target
            .list()
            .map_err(|error| Failure::from(error).at(pool.path.display()))?;
        pool.target.still_whole()?;
        Ok(listed)
    });
    match looked {
        Ok(listed) => Pool::Opens {
            misaligned: listed.into_iter().filter(is_misaligned).collect(),
        },
        Err(failure) if failure.code == Code::Locked => Pool::Busy,
        Err(failure) => Pool::Fails(failure),
    }
}

fn is_misaligned(region: &RegionInfo) -> bool {
    region.len >= BLOCK_BYTES && region.at.get() % BLOCK_BYTES != 0
}

impl Pool {
    /// For a person, behind what is said about the place.
    pub fn tell(&self, path: &str, lines: &mut Lines) {
        match self {
            Pool::Busy => {
                lines.put("pool", "open elsewhere; ask again when it is closed");
            }
            Pool::Fails(failure) => {
                lines.put("pool", format_args!("does not open: {}", failure.message));
                lines.put("cure", cure(failure, path));
            }
            Pool::Opens { misaligned } if misaligned.is_empty() => {
                lines.put("pool", "opens; its regions lie well");
            }
            Pool::Opens { misaligned } => {
                lines.put(
                    "pool",
                    format_args!(
                        "opens; {} regions do not begin on a block of {BLOCK_BYTES} bytes, which costs writes on \
                         Optane memory: create them with --align {BLOCK_BYTES}, or copy them so",
                        misaligned.len()
                    ),
                );
                for region in misaligned.iter().take(LISTED_MAX) {
                    let name = region.name.as_deref().unwrap_or("(no name)");
                    lines.put(
                        "misaligned",
                        format_args!("{} \"{}\" at {}", region.id, name.escape_debug(), region.at),
                    );
                }
            }
        }
    }

    /// For a program.
    pub fn json(&self, path: &str) -> Value {
        match self {
            Pool::Busy => json!({"opens": null, "busy": true}),
            Pool::Fails(failure) => json!({
                "opens": false,
                "kind": failure.kind,
                "message": failure.message,
                "cure": cure(failure, path),
            }),
            Pool::Opens { misaligned } => {
                let listed: Vec<Value> = misaligned
                    .iter()
                    .take(LISTED_MAX)
                    .map(|region| {
                        json!({
                            "id": region.id.to_string(),
                            "name": region.name,
                            "at": region.at.get(),
                            "bytes": region.len,
                        })
                    })
                    .collect();
                json!({"opens": true, "misaligned_count": misaligned.len(), "misaligned": listed})
            }
        }
    }
}

/// What to do about a pool that does not open.
fn cure(failure: &Failure, path: &str) -> String {
    match failure.code {
        Code::Inconsistent | Code::Repairable => format!(
            "`everline repair {path}` says what can be mended and what would be lost, and changes nothing yet; \
             `everline salvage {path} DIRECTORY` saves what can still be read; or restore a snapshot"
        ),
        _ => "see the message".to_string(),
    }
}
