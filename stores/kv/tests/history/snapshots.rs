//! V2 to V5: which snapshots a transaction's reads agree with.

use super::*;

/// Sets of snapshots as intervals, both ends included, in order and apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots(Vec<(Sequence, Sequence)>);

impl Snapshots {
    fn all() -> Self {
        Snapshots(vec![(0, Sequence::MAX)])
    }

    /// From their first to before the second.
    fn from(mut parts: Vec<(Sequence, Sequence)>) -> Self {
        parts.retain(|(from, end)| from < end);
        parts.iter_mut().for_each(|(_, end)| *end -= 1);
        Snapshots(parts)
    }

    fn and(&self, other: &Snapshots) -> Snapshots {
        let (mut both, mut ours, mut theirs) = (Vec::new(), 0, 0);
        while let (Some(a), Some(b)) = (self.0.get(ours), other.0.get(theirs)) {
            let common = (a.0.max(b.0), a.1.min(b.1));
            if common.0 <= common.1 {
                both.push(common);
            }
            if a.1 < b.1 {
                ours += 1;
            } else {
                theirs += 1;
            }
        }
        Snapshots(both)
    }

    /// The last of the intervals that reaches into `from..=to`, cut to it.
    pub fn within(&self, from: Sequence, to: Sequence) -> Option<(Sequence, Sequence)> {
        let mut cut = self.0.iter().map(|own| (own.0.max(from), own.1.min(to)));
        cut.rfind(|(from, to)| from <= to)
    }

    /// The first and the last.
    pub fn bounds(&self) -> (Sequence, Sequence) {
        let first = self.0.first().map_or(0, |own| own.0);
        (first, self.0.last().map_or(0, |own| own.1))
    }
}

impl Checker<'_> {
    /// The snapshots in which `key` is `saw`; none is right where nobody committed that.
    fn snapshots_with(&self, key: Key, saw: Option<Value>) -> Snapshots {
        let versions = self.versions.get(&key).map_or(&[][..], Vec::as_slice);
        // The first snapshot that is not this version's any more.
        let end = |place: usize| versions.get(place).map_or(Sequence::MAX, |next| next.0);
        if let Some(value) = saw {
            return match self.written.get(&value) {
                Some((of, place)) if *of == key => {
                    Snapshots::from([(versions[*place].0, end(place + 1))].into())
                }
                _ => Snapshots(Vec::new()),
            };
        }
        let mut absent = vec![(self.history.floor, end(0))];
        for (place, version) in versions.iter().enumerate() {
            if version.1.is_none() {
                absent.push((version.0, end(place + 1)));
            }
        }
        Snapshots::from(absent)
    }

    /// The snapshots that have all of `reads`.
    pub fn snapshots_of(&self, reads: &[(Key, Option<Value>)]) -> Option<Snapshots> {
        let mut snapshots = Snapshots::all();
        for (key, saw) in reads {
            snapshots = snapshots.and(&self.snapshots_with(*key, *saw));
        }
        (!snapshots.0.is_empty()).then_some(snapshots)
    }

    /// The oldest and the newest snapshot that the moments of a transaction's begin allow.
    fn snapshots_by_time(&self, record: &Record) -> (Sequence, Sequence) {
        let before = self.commits.iter().rev();
        let oldest = before
            .map(|commit| (commit.0, commit.2))
            .find(|(_, returned)| *returned < record.called)
            .map_or(self.history.floor, |(sequence, _)| sequence);
        // V1 makes returns rise roughly with sequences: whoever is called after the begin returned is in no snapshot.
        let after = self.commits.iter().find(|commit| commit.1 > record.begun);
        let newest = after.map_or(Sequence::MAX, |commit| commit.0 - 1);
        (oldest, newest)
    }

    /// V2 to V5 of one transaction.
    pub(super) fn transaction(&self, index: usize) -> Result<(), Anomaly> {
        let record = &self.history.records[index];
        own_writes(index, record)?;
        let reads = record.reads_of_others();
        for (key, saw) in &reads {
            if let Some(value) = saw {
                let known = self.written.get(value).is_some_and(|(of, _)| of == key);
                if !known {
                    return Err(Anomaly::NeverCommitted(index, *key, *value));
                }
            }
        }
        let snapshots = self
            .snapshots_of(&reads)
            .ok_or(Anomaly::NoSnapshot(index))?;
        let (oldest, newest) = self.snapshots_by_time(record);
        let snapshot = snapshots
            .within(oldest, newest)
            .ok_or(Anomaly::Time(index))?;
        self.first_committer(index, snapshot.1)
    }

    /// V5: nobody wrote a key of this one between its snapshot and its commit; `newest` is the last it can have.
    fn first_committer(&self, index: usize, newest: Sequence) -> Result<(), Anomaly> {
        let record = &self.history.records[index];
        let Some(own) = record.sequence() else {
            return Ok(());
        };
        for key in record.last_writes().keys() {
            let between = self.versions[key].iter();
            let mut between = between.filter(|version| newest < version.0 && version.0 < own);
            if let Some(other) = between.next() {
                return Err(Anomaly::LostUpdate(other.2, index, *key));
            }
        }
        Ok(())
    }
}

/// V2, the part that a transaction can be judged by alone.
fn own_writes(index: usize, record: &Record) -> Result<(), Anomaly> {
    let mut own: BTreeMap<Key, Option<Value>> = BTreeMap::new();
    for step in &record.steps {
        match step {
            Step::Write(key, value) => drop(own.insert(*key, *value)),
            Step::Read(key, saw) => match own.get(key) {
                Some(wrote) if wrote != saw => return Err(Anomaly::OwnWrite(index, *key)),
                _ => {}
            },
            Step::Scan(from, to, saw) => {
                let in_order = saw.windows(2).all(|pair| pair[0].0 < pair[1].0);
                if !in_order || saw.iter().any(|(key, _)| !(*from..*to).contains(key)) {
                    return Err(Anomaly::Scan(index));
                }
                let saw: BTreeMap<_, _> = saw.iter().copied().collect();
                let wrong = own
                    .range(*from..*to)
                    .find(|(key, wrote)| saw.get(key).copied() != **wrote);
                if let Some((key, _)) = wrong {
                    return Err(Anomaly::OwnWrite(index, *key));
                }
            }
        }
    }
    Ok(())
}
