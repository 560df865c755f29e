//! Bytes at a steady address.

/// Which half of the address space a buffer lies in: two sides never share an address (R4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Workload,
    Recovery,
}

/// `len` bytes that begin at a page. Addresses alternate between the two sides in units of the length rounded up to a
/// power of two, so that no buffer of one side ever overlaps where one of the other side lies or lay.
pub(super) struct Buffer {
    room: Vec<u8>,
    start: usize,
    len: usize,
}

const PAGE: usize = 4096;

impl Buffer {
    pub(super) fn new(len: usize, side: Side) -> Self {
        let unit = len.next_power_of_two().max(PAGE);
        // Room for the worst alignment; what is never touched costs no memory.
        let room = vec![0; 4 * unit];
        let address = room.as_ptr().addr();
        let shift = match side {
            Side::Workload => 0,
            Side::Recovery => unit,
        };
        let start = (address + shift).next_multiple_of(2 * unit) - shift - address;
        Buffer { room, start, len }
    }

    pub(super) fn address(&self) -> usize {
        self.room.as_ptr().addr() + self.start
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[self.start..][..self.len]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_sides_never_share_an_address() {
        for len in [1usize, 4096, 4097, 100_000] {
            let unit = len.next_power_of_two().max(PAGE);
            for _ in 0..50 {
                let work = Buffer::new(len, Side::Workload);
                let recovery = Buffer::new(len, Side::Recovery);
                assert_eq!(work.address() / unit % 2, 0);
                assert_eq!(recovery.address() / unit % 2, 1);
                assert_eq!(work.address() % PAGE + recovery.address() % PAGE, 0);
                assert_eq!((work.bytes().len(), recovery.bytes().len()), (len, len));
            }
        }
    }
}
