//! A row of values whose number is fixed when it is made.

use super::Full;

/// `len` values made once; at most `N` without `alloc`.
#[derive(Debug)]
pub struct Array<T, const N: usize> {
    #[cfg(feature = "alloc")]
    values: std_alloc::boxed::Box<[T]>,
    #[cfg(not(feature = "alloc"))]
    values: [Option<T>; N],
    #[cfg(not(feature = "alloc"))]
    len: usize,
}

impl<T, const N: usize> Array<T, N> {
    /// Makes `len` values. Errors: more than `N` without `alloc`.
    pub fn from_fn(len: usize, make: impl FnMut(usize) -> T) -> Result<Self, Full> {
        #[cfg(feature = "alloc")]
        {
            Ok(Array {
                values: (0..len).map(make).collect(),
            })
        }
        #[cfg(not(feature = "alloc"))]
        {
            if len > N {
                return Err(Full);
            }
            let mut make = make;
            Ok(Array {
                values: core::array::from_fn(|index| (index < len).then(|| make(index))),
                len,
            })
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        #[cfg(feature = "alloc")]
        {
            self.values.len()
        }
        #[cfg(not(feature = "alloc"))]
        {
            self.len
        }
    }

    /// The value at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        #[cfg(feature = "alloc")]
        {
            self.values.get(index)
        }
        #[cfg(not(feature = "alloc"))]
        {
            self.values.get(index)?.as_ref()
        }
    }

    /// The value at `index`, to change.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        #[cfg(feature = "alloc")]
        {
            self.values.get_mut(index)
        }
        #[cfg(not(feature = "alloc"))]
        {
            self.values.get_mut(index)?.as_mut()
        }
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}
