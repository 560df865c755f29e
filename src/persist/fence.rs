//! One fence for everything flushed.

use super::{Durable, Flushed};
use crate::media::Media;

mod sealed {
    pub trait Sealed {}
}

/// What [`fence`] accepts: one [`Flushed`], a tuple or an array of them.
pub trait FenceAll<M: Media>: sealed::Sealed {
    /// The same shape, durable.
    type Durable;

    /// The media that the fence must reach; the same one for all in any sane use.
    #[doc(hidden)]
    fn each_media(&self, visit: &mut impl FnMut(&M));

    /// What the fence made true.
    #[doc(hidden)]
    fn settle(self) -> Self::Durable;
}

/// Waits until everything in `flushed` is durable: one fence for a medium, however many ranges.
///
/// Errors: what the medium's fence fails with; then nothing is known about what is durable.
/// Cost: one wait. Crash: afterwards every byte in the result survives.
#[inline]
#[track_caller]
pub fn fence<M: Media, F: FenceAll<M>>(flushed: F) -> Result<F::Durable, M::SyncError> {
    let mut last: Option<*const M> = None;
    let mut outcome = Ok(());
    flushed.each_media(&mut |media| {
        if last != Some(core::ptr::from_ref(media)) && outcome.is_ok() {
            outcome = media.fence();
            last = Some(core::ptr::from_ref(media));
        }
    });
    outcome.map(|()| flushed.settle())
}

impl<M> sealed::Sealed for Flushed<'_, M> {}

impl<'m, M: Media> FenceAll<M> for Flushed<'m, M> {
    type Durable = Durable<'m, M>;

    #[inline]
    fn each_media(&self, visit: &mut impl FnMut(&M)) {
        visit(self.media);
    }

    #[inline]
    fn settle(self) -> Durable<'m, M> {
        Flushed::settle(self)
    }
}

impl<F: sealed::Sealed, const N: usize> sealed::Sealed for [F; N] {}

impl<M: Media, F: FenceAll<M>, const N: usize> FenceAll<M> for [F; N] {
    type Durable = [F::Durable; N];

    #[inline]
    fn each_media(&self, visit: &mut impl FnMut(&M)) {
        for flushed in self {
            flushed.each_media(visit);
        }
    }

    #[inline]
    fn settle(self) -> Self::Durable {
        self.map(FenceAll::settle)
    }
}

macro_rules! tuples {
    ($($name:ident),+) => {
        impl<$($name: sealed::Sealed),+> sealed::Sealed for ($($name,)+) {}

        impl<Media_: Media, $($name: FenceAll<Media_>),+> FenceAll<Media_> for ($($name,)+) {
            type Durable = ($($name::Durable,)+);

            #[inline]
            #[allow(non_snake_case, reason = "the names of the type parameters serve as bindings")]
            fn each_media(&self, visit: &mut impl FnMut(&Media_)) {
                let ($($name,)+) = self;
                $($name.each_media(visit);)+
            }

            #[inline]
            #[allow(non_snake_case, reason = "the names of the type parameters serve as bindings")]
            fn settle(self) -> Self::Durable {
                let ($($name,)+) = self;
                ($($name.settle(),)+)
            }
        }
    };
}

tuples!(A);
tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);
tuples!(A, B, C, D, E);
tuples!(A, B, C, D, E, F);
