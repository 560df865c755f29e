//! Declares an on-media struct once: the struct, its asserted offsets and its row in FORMAT.md.

/// One field of an on-media struct.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in the struct.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
    /// What it means.
    pub meaning: &'static str,
}

/// An on-media struct as FORMAT.md shows it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Name of the struct.
    pub name: &'static str,
    /// Bytes.
    pub size: usize,
    /// Its fields in order.
    pub fields: &'static [Field],
}

/// `layout_struct! { /// doc pub struct Name, 64 bytes { 0 => field: Type, "meaning"; ... } }`
macro_rules! layout_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident, $size:literal bytes {
            $($offset:literal => $field:ident: $type:ty, $meaning:literal;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable, zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub struct $name {
            $(#[doc = $meaning] pub $field: $type,)*
        }

        static_assertions::const_assert_eq!(core::mem::size_of::<$name>(), $size);
        $(static_assertions::const_assert_eq!(core::mem::offset_of!($name, $field), $offset);)*

        impl $name {
            /// The struct as FORMAT.md shows it.
            pub const TABLE: $crate::layout::Table = $crate::layout::Table {
                name: stringify!($name),
                size: $size,
                fields: &[$($crate::layout::Field {
                    name: stringify!($field),
                    offset: $offset,
                    size: core::mem::size_of::<$type>(),
                    meaning: $meaning,
                },)*],
            };
        }
    };
}

pub(crate) use layout_struct;
