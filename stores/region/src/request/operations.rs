//! The operations of [`Regions`], each as a request. What they promise is said there.
//!
//! Whatever takes a buffer gives it back with the answer. Operations that change one region as a whole keep their order
//! with everything of that region; those that go by name, with each other; and what can replace or see any region, with
//! everything.

use everline::media::Media;

use super::operation::{Operation, Touch};
use super::{Answer, BufferAnswer, Request, Requests};
use crate::{RegionId, RegionInfo, RegionOptions};

/// [`RegionOptions`] that own their name.
#[derive(Clone, Debug, Default)]
struct Owned {
    name: Option<String>,
    align: Option<u64>,
}

impl Owned {
    fn of(options: &RegionOptions<'_>) -> Self {
        Owned {
            name: options.name.map(str::to_owned),
            align: options.align,
        }
    }

    fn lend(&self) -> RegionOptions<'_> {
        RegionOptions {
            name: self.name.as_deref(),
            align: self.align,
        }
    }

    fn touch(&self) -> Touch {
        match self.name {
            Some(_) => Touch::Names,
            None => Touch::Nothing,
        }
    }
}

impl<M: Media> Operation<M, BufferAnswer<M, ()>>
where
    M: Send + Sync + 'static,
{
    /// [`Regions::write`](crate::Regions::write).
    pub fn write(id: RegionId, at: u64, bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Operation::new(Touch::write(id, at, len), move |regions| {
            (regions.write(id, at, &bytes), bytes)
        })
        .moving(len)
    }

    /// [`Regions::read`](crate::Regions::read), as many bytes as `into` has.
    pub fn read(id: RegionId, at: u64, mut into: Vec<u8>) -> Self {
        let len = into.len() as u64;
        Operation::new(Touch::read(id, at, len), move |regions| {
            (regions.read(id, at, &mut into), into)
        })
        .moving(len)
    }
}

impl<M: Media + Send + Sync + 'static> Requests<M> {
    /// [`Regions::create`](crate::Regions::create).
    pub fn create(&self, len: u64, options: &RegionOptions<'_>) -> Request<Answer<M, RegionId>> {
        let options = Owned::of(options);
        self.issue(Operation::new(options.touch(), move |regions| {
            regions.create(len, &options.lend())
        }))
    }

    /// [`Regions::create_with`](crate::Regions::create_with).
    pub fn create_with(
        &self,
        data: Vec<u8>,
        options: &RegionOptions<'_>,
    ) -> Request<BufferAnswer<M, RegionId>> {
        let options = Owned::of(options);
        self.issue(Operation::new(options.touch(), move |regions| {
            (regions.create_with(&data, &options.lend()), data)
        }))
    }

    /// [`Regions::put`](crate::Regions::put).
    pub fn put(&self, name: &str, data: Vec<u8>) -> Request<BufferAnswer<M, RegionId>> {
        let name = name.to_owned();
        self.issue(Operation::new(Touch::Everything, move |regions| {
            (regions.put(&name, &data), data)
        }))
    }

    /// [`Regions::destroy`](crate::Regions::destroy).
    pub fn destroy(&self, id: RegionId) -> Request<Answer<M, ()>> {
        // Its name becomes free.
        self.issue(Operation::new(Touch::Everything, move |regions| {
            regions.destroy(id)
        }))
    }

    /// [`Regions::rename`](crate::Regions::rename).
    pub fn rename(&self, id: RegionId, new: &str) -> Request<Answer<M, ()>> {
        let new = new.to_owned();
        self.issue(Operation::new(Touch::Everything, move |regions| {
            regions.rename(id, &new)
        }))
    }

    /// [`Regions::by_name`](crate::Regions::by_name).
    pub fn by_name(&self, name: &str) -> Request<Answer<M, RegionId>> {
        let name = name.to_owned();
        self.issue(Operation::new(Touch::Names, move |regions| {
            regions.by_name(&name)
        }))
    }

    /// [`Regions::exists`](crate::Regions::exists); never an error.
    pub fn exists(&self, id: RegionId) -> Request<Answer<M, bool>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            Ok(regions.exists(id))
        }))
    }

    /// [`Regions::info`](crate::Regions::info).
    pub fn info(&self, id: RegionId) -> Request<Answer<M, RegionInfo>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            regions.info(id)
        }))
    }

    /// [`Regions::write`](crate::Regions::write): durable when it answers.
    pub fn write(&self, id: RegionId, at: u64, bytes: Vec<u8>) -> Request<BufferAnswer<M, ()>> {
        self.issue(Operation::write(id, at, bytes))
    }

    /// [`Regions::read`](crate::Regions::read): as many bytes as `into` has, which comes back with them.
    pub fn read(&self, id: RegionId, at: u64, into: Vec<u8>) -> Request<BufferAnswer<M, ()>> {
        self.issue(Operation::read(id, at, into))
    }

    /// [`Regions::read_all`](crate::Regions::read_all).
    pub fn read_all(&self, id: RegionId) -> Request<Answer<M, Vec<u8>>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            regions.read_all(id)
        }))
    }

    /// [`Regions::persist`](crate::Regions::persist).
    pub fn persist(&self, id: RegionId, at: u64, len: u64) -> Request<Answer<M, ()>> {
        // What was written to the range before must be there, and what comes later must not slip in.
        self.issue(Operation::new(Touch::write(id, at, len), move |regions| {
            regions.persist(id, at, len)
        }))
    }

    /// [`Regions::list`](crate::Regions::list).
    pub fn list(&self) -> Request<Answer<M, Vec<RegionInfo>>> {
        self.issue(Operation::new(Touch::Everything, |regions| regions.list()))
    }

    /// [`Regions::count`](crate::Regions::count).
    pub fn count(&self) -> Request<Answer<M, u64>> {
        self.issue(Operation::new(Touch::Everything, |regions| regions.count()))
    }
}
