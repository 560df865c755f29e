//! The operations of [`Regions`], each as a request. What they promise is said there.
//!
//! Whatever takes a buffer gives it back with the answer. Operations that change one region as a whole keep their order
//! with everything of that region; those that go by name, with each other; and what can replace or see any region, with
//! everything.

use everline::media::Media;

use super::operation::{Operation, Touch};
use super::{Answer, BufferAnswer, Request, Requests};
use crate::{Extent, RegionId, RegionInfo, RegionOptions, WriteMode};

/// [`RegionOptions`] that own their name.
#[derive(Clone, Debug, Default)]
struct Owned {
    name: Option<String>,
    attributes: Option<Vec<u8>>,
    others: RegionOptions<'static>,
}

impl Owned {
    fn of(options: &RegionOptions<'_>) -> Self {
        Owned {
            name: options.name.map(str::to_owned),
            attributes: options.attributes.map(<[u8]>::to_vec),
            others: RegionOptions {
                name: None,
                attributes: None,
                ..*options
            },
        }
    }

    fn lend(&self) -> RegionOptions<'_> {
        RegionOptions {
            name: self.name.as_deref(),
            attributes: self.attributes.as_deref(),
            ..self.others
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

    /// [`Regions::unname`](crate::Regions::unname).
    pub fn unname(&self, id: RegionId) -> Request<Answer<M, ()>> {
        self.issue(Operation::new(Touch::Everything, move |regions| {
            regions.unname(id)
        }))
    }

    /// [`Regions::set_attributes`](crate::Regions::set_attributes).
    pub fn set_attributes(
        &self,
        id: RegionId,
        attributes: Vec<u8>,
    ) -> Request<BufferAnswer<M, ()>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            (regions.set_attributes(id, &attributes), attributes)
        }))
    }

    /// [`Regions::attributes`](crate::Regions::attributes).
    pub fn attributes(&self, id: RegionId) -> Request<Answer<M, Vec<u8>>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            regions.attributes(id)
        }))
    }

    /// [`Regions::size`](crate::Regions::size).
    pub fn size(&self, id: RegionId) -> Request<Answer<M, u64>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            regions.size(id)
        }))
    }

    /// [`Regions::resize`](crate::Regions::resize).
    pub fn resize(&self, id: RegionId, new_len: u64) -> Request<Answer<M, ()>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            regions.resize(id, new_len)
        }))
    }

    /// [`Regions::copy`](crate::Regions::copy).
    pub fn copy(&self, id: RegionId) -> Request<Answer<M, RegionId>> {
        self.issue(Operation::new(Touch::Region(id), move |regions| {
            regions.copy(id)
        }))
    }

    /// [`Regions::write_with`](crate::Regions::write_with).
    pub fn write_with(
        &self,
        id: RegionId,
        at: u64,
        bytes: Vec<u8>,
        mode: WriteMode,
    ) -> Request<BufferAnswer<M, ()>> {
        let len = bytes.len() as u64;
        let write = Operation::new(Touch::write(id, at, len), move |regions| {
            (regions.write_with(id, at, &bytes, mode), bytes)
        });
        self.issue(write.moving(len))
    }

    /// [`Regions::scatter`](crate::Regions::scatter).
    pub fn scatter(
        &self,
        id: RegionId,
        data: Vec<u8>,
        extents: Vec<Extent>,
        mode: WriteMode,
    ) -> Request<BufferAnswer<M, ()>> {
        let len = data.len() as u64;
        let write = Operation::new(Touch::list(id, &extents, true), move |regions| {
            (regions.scatter(id, &data, &extents, mode), data)
        });
        self.issue(write.moving(len))
    }

    /// [`Regions::gather`](crate::Regions::gather).
    pub fn gather(
        &self,
        id: RegionId,
        extents: Vec<Extent>,
        mut into: Vec<u8>,
    ) -> Request<BufferAnswer<M, ()>> {
        let len = into.len() as u64;
        let read = Operation::new(Touch::list(id, &extents, false), move |regions| {
            (regions.gather(id, &extents, &mut into), into)
        });
        self.issue(read.moving(len))
    }

    /// [`Regions::persist_list`](crate::Regions::persist_list).
    pub fn persist_list(&self, id: RegionId, extents: Vec<Extent>) -> Request<Answer<M, ()>> {
        self.issue(Operation::new(
            Touch::list(id, &extents, true),
            move |regions| regions.persist_list(id, &extents),
        ))
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
