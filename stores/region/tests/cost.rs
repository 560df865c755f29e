//! What each operation waits for.

mod tools;

use everline::media::{Counted, Ram};
use everline::units::ByteLen;
use everline_region::Regions;
use tools::*;

type On = Regions<Counted<Ram>>;

fn waits<R>(regions: &On, work: impl FnOnce(&On) -> R) -> (R, u64) {
    let counted = regions.engine().pool().media();
    let (answer, cost) = counted.cost_of(|| work(regions));
    (answer, cost.waits)
}

#[test]
fn every_operation_waits_as_often_as_it_says() {
    let regions = on(Counted::new(Ram::assume_persistent(ByteLen::new(4 << 20))));
    let (id, first) = waits(&regions, |r| r.create(100, &named("first")).expect("space"));
    let (_, next) = waits(&regions, |r| r.create(100, &named("next")).expect("space"));
    let (_, huge) = waits(&regions, |r| r.create(1 << 20, &UNNAMED).expect("space"));
    assert_eq!([first, next, huge], [1; 3], "bytes that are not touched");
    let (_, touch) = waits(&regions, |r| r.write(id, 3, &[1; 90]).expect("inside"));
    assert_eq!(touch, 2, "a chunk is written for the first time");
    let (_, with) = waits(&regions, |r| {
        r.create_with(&[1; 9], &UNNAMED).expect("space")
    });
    let (_, large) = waits(&regions, |r| r.put("large", &[1; 500_000]).expect("space"));
    let (_, replaced) = waits(&regions, |r| r.put("next", b"replaced").expect("space"));
    assert_eq!([with, large, replaced], [2; 3], "new bytes");
    let (_, empty) = waits(&regions, |r| r.put("empty", b"").expect("space"));
    let (_, write) = waits(&regions, |r| r.write(id, 3, &[1; 90]).expect("inside"));
    let (_, persist) = waits(&regions, |r| r.persist(id, 3, 90).expect("inside"));
    let (_, rename) = waits(&regions, |r| r.rename(id, "other").expect("free"));
    assert_eq!([empty, write, persist, rename], [1; 4]);
    let ((), none) = waits(&regions, |r| {
        r.read(id, 0, &mut [0; 10]).expect("inside");
        r.read_all(id).expect("there");
        r.info(id).expect("there");
        r.list().expect("a directory");
        r.by_name("other").expect("there");
        r.count().expect("a directory");
        r.check(|problem| panic!("{problem}"));
        r.write(id, 0, b"").expect("inside");
    });
    assert_eq!(none, 0);
    let (_, destroy) = waits(&regions, |r| r.destroy(id).expect("there"));
    assert_eq!(destroy, 1);
    regions.engine().checkpoint().expect("no failing fence");
    let (_, batch) = waits(&regions, |r| {
        let mut batch = r.batch().expect("a lane");
        for number in 0..20 {
            batch.put(&format!("{number}"), b"bytes").expect("space");
        }
        batch.commit().expect("room in the log")
    });
    let (_, nothing) = waits(&regions, |r| r.batch().expect("a lane").commit());
    assert_eq!([batch, nothing], [2, 0]);
}
