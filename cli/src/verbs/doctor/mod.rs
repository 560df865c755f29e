//! `doctor [PATH]`: what a place really gives, why, and what to change; and what ails the pool there, if there is one.

mod pool;

use std::path::PathBuf;

use clap::Args;
use everline::media::Domain;
use serde_json::json;

use crate::args::Global;
use crate::exit::{Code, Failure};
use crate::open::{file_at, place, safety};
use crate::output::{Answer, Lines};

/// What `doctor` can be told.
#[derive(Debug, Args)]
pub struct Options {
    /// A pool file, a directory, or a name that does not exist yet
    #[arg(default_value = ".")]
    path: PathBuf,
}

/// Ends with 6 where the domain is volatile or weaker than required, with the open's own code where a pool does not open.
pub fn run(global: &Global, options: &Options) -> Result<Answer, Failure> {
    let place = place(&options.path, global)?;
    let durability = place.durability;
    let unmet = durability.domain == Domain::Volatile
        || global
            .require
            .is_some_and(|required| durability.domain < required.into());
    let mut lines = Lines::default();
    lines
        .put("path", place.path.display())
        .put("file system", &place.file_system)
        .put("mounted at", place.mount_point.display())
        .put("mount options", &place.mount_options)
        .put(
            "MAP_SYNC",
            if place.map_sync { "granted" } else { "refused" },
        )
        .put(
            "persistence domain",
            place
                .persistence_domain
                .unwrap_or("not told by the platform"),
        )
        .put("CPU instruction", place.flush_instruction)
        .put("durability domain", durability.domain)
        .put("reached by", durability.flush)
        .put("because", durability.reason)
        .put("so a pool here is", safety(durability.domain))
        .put("advice", &place.advice);
    let pool = file_at(&options.path)
        .is_file()
        .then(|| pool::examine(&options.path, global));
    let here = options.path.display().to_string();
    if let Some(pool) = &pool {
        pool.tell(&here, &mut lines);
    }
    if place.foreign {
        lines.put("refused", "unless --allow-foreign-fs is given");
    }
    let json = json!({
        "path": place.path.display().to_string(),
        "file_system": place.file_system,
        "mount_point": place.mount_point.display().to_string(),
        "mount_options": place.mount_options,
        "foreign": place.foreign,
        "map_sync": place.map_sync,
        "persistence_domain": place.persistence_domain,
        "flush_instruction": place.flush_instruction,
        "domain": durability.domain.name(),
        "flush": durability.flush,
        "reason": durability.reason,
        "power_fail_safe": durability.domain != Domain::Volatile,
        "advice": place.advice,
        "pool": pool.as_ref().map(|pool| pool.json(&here)),
    });
    let code = match &pool {
        Some(pool::Pool::Fails(failure)) => failure.code,
        _ if unmet => Code::PolicyUnmet,
        _ => Code::Ok,
    };
    Ok(Answer {
        code,
        json,
        text: lines.take().into_bytes(),
    })
}
