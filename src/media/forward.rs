//! Hands calls of [`Media`](super::Media) on to another medium: one list for every wrapper.

/// The named operations, handed to what `$target` answers for `$this`.
macro_rules! forward {
    (|$this:ident| $target:expr; $($name:ident($($arg:ident: $type:ty),*) $(-> $answer:ty)?;)*) => {
        $(#[inline]
        #[track_caller]
        fn $name(&self, $($arg: $type),*) $(-> $answer)? {
            let $this = self;
            $target.$name($($arg),*)
        })*
    };
}

/// Length, loads, stores and read-modify-writes: all that orders nothing and makes nothing durable.
macro_rules! forward_accesses {
    (|$this:ident| $target:expr) => {
        $crate::media::forward::forward! {
            |$this| $target;
            len() -> $crate::units::ByteLen;
            durability() -> $crate::media::Durability;
            load8(at: $crate::units::ByteOffset) -> u8;
            load16(at: $crate::units::ByteOffset) -> u16;
            load32(at: $crate::units::ByteOffset) -> u32;
            load64(at: $crate::units::ByteOffset) -> u64;
            store8(at: $crate::units::ByteOffset, value: u8);
            store16(at: $crate::units::ByteOffset, value: u16);
            store32(at: $crate::units::ByteOffset, value: u32);
            store64(at: $crate::units::ByteOffset, value: u64);
            fetch_or64(at: $crate::units::ByteOffset, bits: u64) -> u64;
            fetch_and64(at: $crate::units::ByteOffset, bits: u64) -> u64;
            compare_exchange64(at: $crate::units::ByteOffset, current: u64, new: u64) -> Result<u64, u64>;
            read(at: $crate::units::ByteOffset, into: &mut [u8]);
            write(at: $crate::units::ByteOffset, bytes: &[u8]);
            fill(range: $crate::units::ByteRange, byte: u8);
            address(range: $crate::units::ByteRange) -> Option<*const u8>;
        }
    };
}

pub(crate) use {forward, forward_accesses};
