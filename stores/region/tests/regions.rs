//! What regions promise where nothing fails: identifiers, bounds, names, sizes.

mod tools;

use everline_region::RegionId;
use tools::*;

#[test]
fn b1_a_thousand_creates_give_a_thousand_identifiers() {
    let regions = ram(8 << 20);
    let mut ids: Vec<RegionId> = (0..1000)
        .map(|_| regions.create(64, &UNNAMED).expect("space"))
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1000);
    assert_eq!(regions.count(), Ok(1000));
    assert_clean(&regions);
}
