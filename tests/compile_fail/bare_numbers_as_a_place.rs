//~ E0308
use everline::media::{Media, Ram};

pub fn which_of_the_two(ram: &Ram) {
    ram.store64(64, 1);
}
