//! Single images of a recording, for what explores with less: a cut at one crash point, chosen by the caller.

use everline::units::ByteLen;

use crate::event::Kind;
use crate::media::CrashMedia;
use crate::model::{CrashModel, Model};
use crate::record::{Cut, Recorder, Recording};
use crate::report::PointKind;

/// Where a crash of a recording is of interest, and what the program had promised by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// How many events of the recording had happened.
    pub event: usize,
    /// What was about to happen.
    pub kind: PointKind,
    /// Operations acknowledged, in order.
    pub acked: Vec<u64>,
    /// Operations begun and not acknowledged.
    pub in_flight: Vec<u64>,
}

impl Recording {
    /// How many bytes the medium had at first.
    pub fn base_len(&self) -> ByteLen {
        ByteLen::new(self.base.len() as u64)
    }

    /// Visits every crash point in order. `visit` cuts the power as it likes, with the function that it is handed:
    /// each cut is a new medium, which holds one of the images that word-subset admits there. Cost: a copy of the
    /// medium a cut.
    pub fn each_crash_point(
        &self,
        mut visit: impl FnMut(&CrashPoint, &mut dyn FnMut(&Cut<'_>) -> CrashMedia),
    ) {
        let mut model = self.model(CrashModel::WordSubset);
        let (mut acked, mut in_flight) = (Vec::new(), Vec::new());
        for (index, event) in self.log.events.iter().enumerate() {
            let kind = match event.kind {
                Kind::Invoke => Some(PointKind::Invoke),
                Kind::Ack => Some(PointKind::Ack),
                Kind::SetLen => Some(PointKind::Resize),
                _ => model.raises(event).then_some(PointKind::Fence),
            };
            if let Some(kind) = kind.filter(|_| index >= self.first) {
                self.visit_point(&model, index, kind, &acked, &in_flight, &mut visit);
            }
            match event.kind {
                Kind::Invoke => in_flight.push(event.value),
                Kind::Ack => {
                    in_flight.retain(|id| *id != event.value);
                    acked.push(event.value);
                }
                _ => {}
            }
            model.apply(&self.log, event);
        }
        let end = self.log.events.len();
        self.visit_point(&model, end, PointKind::End, &acked, &in_flight, &mut visit);
    }

    fn visit_point(
        &self,
        model: &Model,
        event: usize,
        kind: PointKind,
        acked: &[u64],
        in_flight: &[u64],
        visit: &mut impl FnMut(&CrashPoint, &mut dyn FnMut(&Cut<'_>) -> CrashMedia),
    ) {
        let point = CrashPoint {
            event,
            kind,
            acked: acked.to_vec(),
            in_flight: in_flight.to_vec(),
        };
        visit(&point, &mut |cut| {
            let image = cut.image(model);
            CrashMedia::of_recorder(Recorder::new(image, self.nature))
        });
    }
}
