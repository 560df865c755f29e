//! How a region is named on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use everline::media::Media;
use everline_region::{RegionError, RegionId, Regions};

/// One region of one pool.
#[derive(Debug, Args)]
pub struct Which {
    /// The pool's file, or the directory that holds its pool.pmem
    pub pool: PathBuf,
    /// The region's name, or id: and its identifier
    pub region: Selector,
}

/// A region by its name, or as `id:` and the 32 digits of its identifier.
#[derive(Clone, Debug)]
pub enum Selector {
    /// Its name.
    Name(String),
    /// Its identifier.
    Id(RegionId),
}

impl FromStr for Selector {
    type Err = everline_region::ParseRegionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("id:") {
            Some(digits) => digits.parse().map(Selector::Id),
            None => Ok(Selector::Name(text.to_owned())),
        }
    }
}

impl Selector {
    /// The region in this pool. Errors: no region has the name; an identifier is judged by what is done with it.
    pub fn find<M: Media>(
        &self,
        regions: &Regions<M>,
    ) -> Result<RegionId, RegionError<M::SyncError>> {
        match self {
            Selector::Name(name) => regions.by_name(name),
            Selector::Id(id) => Ok(*id),
        }
    }
}
