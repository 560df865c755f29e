//~ E0505
use everline::media::Ram;
use everline::tx::Tx;
use everline::units::ByteRange;

pub fn commit(mut tx: Tx<'_, Ram>, range: ByteRange) {
    let guard = tx.snapshot(&[range]);
    let _receipt = tx.commit();
    drop(guard);
}
