//~ E0382
use everline::media::Ram;
use everline::tx::{Reservation, Tx};

pub fn twice<'e>(tx: &mut Tx<'e, Ram>, reservation: Reservation<'e, Ram>) {
    let _first = tx.publish(reservation);
    let _second = tx.publish(reservation);
}
