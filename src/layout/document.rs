//! Prints FORMAT.md from the declarations, so that there is no second copy to drift.

use core::fmt::Write;
use std_alloc::format;
use std_alloc::string::String;

use super::*;

/// The text of `docs/FORMAT.md`.
pub fn format_document() -> String {
    let mut text = String::from(HEAD);
    for table in [
        Superblock::TABLE,
        SlotHeader::TABLE,
        Shared::TABLE,
        RecordHeader::TABLE,
        SlabHeader::TABLE,
        DirectoryRoot::TABLE,
        DirectoryEntry::TABLE,
        RegionTail::TABLE,
        TreeRoot::TABLE,
        TreeNode::TABLE,
        TreeRecord::TABLE,
        TreeBig::TABLE,
        TreeSeparator::TABLE,
    ] {
        text.push_str(&struct_section(&table));
    }
    text.push_str(OPS);
    text.push_str(MAP);
    text.push_str(REGION_WORDS);
    text.push_str(TREE);
    text.push_str(&class_section());
    text.push_str(&geometry_section());
    text
}

fn struct_section(table: &Table) -> String {
    let mut text = format!(
        "\n## {} ({} bytes)\n\n| offset | size | field | meaning |\n|---|---|---|---|\n",
        table.name, table.size
    );
    for field in table.fields {
        let _written = writeln!(
            text,
            "| {} | {} | `{}` | {} |",
            field.offset, field.size, field.name, field.meaning
        );
    }
    text
}

fn class_section() -> String {
    let mut text = String::from(
        "\n## Classes of a 64 KiB slab\n\n| class | object bytes | objects | first object at | bitmap words |\n|---|---|---|---|---|\n",
    );
    for (class, shape) in ClassTable::new(64 << 10).shapes().iter().enumerate() {
        let SlabShape {
            object_bytes,
            object_count,
            data_at,
            bitmap_words,
        } = shape;
        let _written = writeln!(
            text,
            "| {class} | {object_bytes} | {object_count} | {data_at} | {bitmap_words} |"
        );
    }
    text
}

fn geometry_section() -> String {
    let mut text = String::from(
        "\n## Defaults and places by pool size\n\n| pool | lanes | ring | slab | slots at | shared at | rings at | slab map at | heap at | slabs |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, len) in [
        ("64 KiB", 64 << 10),
        ("1 MiB", 1 << 20),
        ("16 MiB", 16 << 20),
        ("256 MiB", 256 << 20),
        ("8 GiB", 8u64 << 30),
    ] {
        if let Ok(g) = Geometry::with_defaults(len, None, None, None, None) {
            let _written = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                g.lane_count(),
                g.ring_bytes(),
                g.slab_bytes(),
                g.slot_at(0).get(),
                g.shared_at().get(),
                g.ring_at(0).get(),
                g.slab_map().start().get(),
                g.heap_at().get(),
                g.slab_count()
            );
        }
    }
    text.push_str(LIMITS);
    text
}

const HEAD: &str = "# Format version 1

Printed from `src/layout/` by `tests/format_document.rs`; change the declarations, not this file
(`EVERLINE_BLESS=1 cargo test --test format_document` writes it anew).

All numbers are little-endian, all places are bytes from the start of the pool. A pool attaches at any address.

```text
| superblock A | superblock B | slot A | slot B | shared | lane rings | slab map | heap |
0              4096           8192
```

Superblock copies lie a page apart and are equal in peace. Each slot takes `64 + 8 * lanes` bytes rounded up to a page,
the shared area `2048 + 64 * lanes` likewise. Rings follow each other, then the slab map: an 8-byte entry for each slab,
the bitmap of used slabs, the bitmap of run heads, all for `capacity_max / slab_bytes + 1` slabs; the heap begins at the
next page. Superblocks, slots, shared area, rings and slab map are zero at create but for what is stored then.
";

const OPS: &str = "
## Ops

COMMIT and UNDO records carry ops behind the header. An op begins with a word: bits 0-47 place, bits 48-50 kind, bits
51-63 length in bytes; length 0 means that the next word is the length.

| kind | name | behind the word | meaning |
|---|---|---|---|
| 1 | WRITE | the bytes, padded with zeros to 8 | COMMIT: bytes for the range; UNDO: what the range held |
| 2 | SET | a mask; length 8, place aligned to 8 | set these bits of the word |
| 3 | CLEAR | a mask; length 8, place aligned to 8 | clear these bits of the word |
| 4 | COVER | nothing | the range was durable at home before this record; ops of smaller timestamps leave it alone |

EXTEND carries two words: place and length of the heap block in which the lane's log goes on. A COMMIT in an extension
ends it: the log goes on in the ring behind the EXTEND. PAD carries nothing and reaches to the end of the ring.
";

const MAP: &str = "
## Slab map entry (8 bytes)

Bits 0-7 kind (1 slab, 2 huge), bits 8-15 class, bits 16-47 slabs in the run, bits 48-63 check: CRC-32C of the low 48
bits (as 8 bytes) and the slab's number (8 bytes), its two halves combined by exclusive or. An entry means something
only where the slab's bits in both bitmaps are set.
";

const REGION_WORDS: &str = "
## Words of a region's map or table (8 bytes)

Word i of the map of written chunks: bits 0-31 are chunks 32 i to 32 i + 31, 1 where the chunk's bytes are the region's own;
where 0 the chunk reads zero. Bits 32-63 check: CRC-32 (IEEE) of pool id, slot (4 bytes), the bits (4 bytes), a zero byte and
i (8 bytes). A word without a bit is zero.

Word i of the table of a checked region speaks of bytes 4096 i to 4096 i + 4095: bits 0-1 kind (0 never written, the whole
word is zero; 1 sealed; 2 unsealed), bits 32-63 CRC-32 (IEEE) of the chunk's bytes up to the region's end where sealed, else
zero, bits 2-31 check: the upper 30 bits of the CRC-32 (IEEE) of pool id, slot (4 bytes), bits 32-63 of the word (4 bytes), the
kind (1 byte) and i (8 bytes).
";

const TREE: &str = "
## Nodes of a tree

Where a checksum is seeded with a place p, it begins with p / 16 + p / 2^36 instead of 0 (both divided down, the sum by exclusive
or, 32 bits). Where two checksums of one place are told apart, the second begins with that number's complement.

Behind a node's head lie `order`, a byte for each slot, and zeros up to a multiple of 8. The first `count` bytes of `order` name the
slots in use, in the order of keys; the others name the free ones. Free slots hold anything.

A leaf's slots are 16 bytes each. Bytes 0-7: head, the first 8 bytes of the key behind the first `skip`, read as a big-endian
number and stored little-endian; zeros where the key is shorter. Bytes 8-15: bits 0-47 place of the record, bits 48-63 check.

An inner node has its heads first, 8 bytes for each slot, then 16 bytes for each slot. Bytes 0-7: bits 0-47 place of the child,
bits 48-63 bytes of the separator. Bytes 8-15: bits 0-47 place of the separator's block, 0 where `prefix` and head are all of
it, bits 48-63 check. The child holds the keys from its separator on; the first one has none, its head, length and block are 0.
The CRC-32C of all heads (free slots too), seeded with the complement, is `heads_crc`.

A slot's check is the two halves of a CRC-32C, combined by exclusive or: seeded with the complement, of the slot's words as they
stand (2 in a leaf, 3 in an inner node) with the slot's number in place of the check.
";

const LIMITS: &str = "
## Limits

| what | least | most |
|---|---|---|
| pool | 64 KiB | 256 TiB |
| lanes | 1 | 1,024 |
| ring | 1 KiB | 1 GiB |
| slab | 4 KiB | 1 MiB |
| object | 1 byte | the heap less one slab |
| alignment | 1 | 4,096 |
| layout name | 0 | 64 bytes of UTF-8 |
| root slots | - | 64, 48 of them the application's |
| region | 0 bytes from data, 1 byte otherwise | as an object |
| regions | 0 | 4,294,967,280 |
| region name | none, or 1 byte | 255 bytes of UTF-8 |
| key of a tree | 0 | 4,096 bytes |
| value of a tree | 0 | 1 GiB |
| one COMMIT | 40 bytes | 4 GiB less 64 bytes, and what the heap can lend as an extension |
";
