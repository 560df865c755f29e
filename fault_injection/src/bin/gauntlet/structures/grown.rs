//! A file whose header says how long it is; it grows.

use everline_crash::files::{DiskOptions, OpenOptions};
use everline_crash::fs;

use super::*;

const PIECE: u64 = 512;

fn grow(file: &fs::File, pieces: u64, bug: Bug) -> std::io::Result<()> {
    let header = || file.write_all_at(&pieces.to_le_bytes(), 0);
    let length = || file.set_len((1 + pieces) * PIECE);
    if bug == M27 {
        header()?;
        file.sync_all()?;
        length()?;
    } else {
        length()?;
        file.sync_all()?;
        header()?;
    }
    file.sync_all()
}

/// Pieces that the header promises, and whether they are there.
fn recover() -> std::io::Result<(u64, bool)> {
    let file = fs::File::open("store")?;
    let mut header = [0; 8];
    file.read_exact_at(&mut header, 0)?;
    let pieces = u64::from_le_bytes(header);
    Ok((pieces, file.metadata()?.len() >= (1 + pieces) * PIECE))
}

pub fn report(bug: Bug) -> Report {
    Explorer::new().check_files(
        DiskOptions::new(),
        |disk| {
            fs::write("store", [0; PIECE as usize]).expect("room");
            disk.mark();
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open("store")
                .expect("is there");
            for operation in 1..=2 {
                disk.invoke(operation);
                grow(&file, operation, bug).expect("no fault asked for");
                disk.ack(operation);
            }
        },
        |_| recover().map_err(|error| error.to_string()),
        |point, seen| match seen {
            Ok((pieces, true)) => expect(pieces, &bounds(point).collect::<Vec<_>>()),
            other => Err(format!("cannot be opened: {other:?}")),
        },
    )
}
