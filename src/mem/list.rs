//! A list that grows where there is an allocator and stops at `N` where there is none.

/// The list has its fixed size and is full (only without `alloc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Up to `N` values without `alloc`, any number with it.
#[derive(Clone, Debug)]
pub struct List<T, const N: usize> {
    #[cfg(feature = "alloc")]
    values: std_alloc::vec::Vec<T>,
    #[cfg(not(feature = "alloc"))]
    values: [T; N],
    #[cfg(not(feature = "alloc"))]
    len: usize,
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// No values.
    pub fn new() -> Self {
        List {
            #[cfg(feature = "alloc")]
            values: std_alloc::vec::Vec::new(),
            #[cfg(not(feature = "alloc"))]
            values: [T::default(); N],
            #[cfg(not(feature = "alloc"))]
            len: 0,
        }
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: T) -> Result<(), Full> {
        #[cfg(feature = "alloc")]
        self.values.push(value);
        #[cfg(not(feature = "alloc"))]
        {
            *self.values.get_mut(self.len).ok_or(Full)? = value;
            self.len += 1;
        }
        Ok(())
    }

    #[cfg(not(feature = "alloc"))]
    /// Takes the last value off.
    pub fn pop(&mut self) -> Option<T> {
        let last = *self.as_slice().last()?;
        self.truncate(self.as_slice().len() - 1);
        Some(last)
    }

    /// Keeps the first `len` values.
    pub fn truncate(&mut self, len: usize) {
        #[cfg(feature = "alloc")]
        self.values.truncate(len);
        #[cfg(not(feature = "alloc"))]
        {
            self.len = self.len.min(len);
        }
    }

    /// Removes the value at `index` by putting the last one there.
    pub fn swap_remove(&mut self, index: usize) {
        let last = self.as_slice().len() - 1;
        self.as_mut_slice().swap(index, last);
        self.truncate(last);
    }

    /// Keeps only the values that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let mut kept = 0;
        for index in 0..self.as_slice().len() {
            if keep(&self.as_slice()[index]) {
                self.as_mut_slice().swap(kept, index);
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// The values.
    pub fn as_slice(&self) -> &[T] {
        #[cfg(feature = "alloc")]
        {
            &self.values
        }
        #[cfg(not(feature = "alloc"))]
        {
            &self.values[..self.len]
        }
    }

    /// The values, to change.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        #[cfg(feature = "alloc")]
        {
            &mut self.values
        }
        #[cfg(not(feature = "alloc"))]
        {
            &mut self.values[..self.len]
        }
    }
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}
