//! The heap as a picture: it runs through the rows like text, and each extent is as wide as its bytes.
//!
//! Every extent is a group that carries its place, bytes and live objects as `data-` attributes, and a title that
//! browsers show under the pointer.

use everline::alloc::{Extent, ExtentKind};

use crate::output::size;

const WIDTH: f64 = 960.0;
const ROW_HEIGHT: f64 = 18.0;
const ROW_GAP: f64 = 4.0;
const TOP: f64 = 56.0;
const LEFT: f64 = 20.0;
/// Rows of a picture, unless the heap has fewer extents.
const ROWS_MAX: u64 = 48;

/// The picture of `extents`, which are all of the heap of the pool at `path`.
pub fn draw(path: &str, extents: &[Extent]) -> String {
    let base = extents
        .first()
        .map_or(0, |extent| extent.range.start().get());
    let total: u64 = extents.iter().map(|extent| extent.range.len().get()).sum();
    let rows = (extents.len() as u64).clamp(1, ROWS_MAX);
    let scale = Scale {
        base,
        row_bytes: total.div_ceil(rows).max(1),
    };
    let height = TOP + rows as f64 * (ROW_HEIGHT + ROW_GAP) + 20.0;
    let used = extents
        .iter()
        .map(|extent| extent.range.len().get() as f64 * fill_of(&extent.kind))
        .sum::<f64>();
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="12">
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{LEFT}" y="22" font-size="15">{path}</text>
<text x="{LEFT}" y="42">heap of {size}, {share:.1} % in use; one row is {row}</text>
"##,
        width = WIDTH + 2.0 * LEFT,
        path = escape(path),
        size = size(total),
        share = if total == 0 {
            0.0
        } else {
            used / total as f64 * 100.0
        },
        row = size(scale.row_bytes),
    );
    legend(&mut svg);
    for extent in extents {
        group(&mut svg, &scale, extent);
    }
    svg += "</svg>\n";
    svg
}

/// Where a byte of the heap is drawn.
struct Scale {
    base: u64,
    row_bytes: u64,
}

impl Scale {
    /// The pieces of `[start, end)`, one for each row it touches: x, y, width.
    fn pieces(&self, start: u64, end: u64) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let (start, end) = (start - self.base, end - self.base);
        let first = start / self.row_bytes;
        let last = end.saturating_sub(1).max(start) / self.row_bytes;
        (first..=last).map(move |row| {
            let row_start = row * self.row_bytes;
            let from = start.max(row_start) - row_start;
            let to = end.min(row_start + self.row_bytes) - row_start;
            let x = |bytes: u64| bytes as f64 / self.row_bytes as f64 * WIDTH;
            let y = TOP + row as f64 * (ROW_HEIGHT + ROW_GAP);
            (LEFT + x(from), y, x(to - from))
        })
    }
}

/// The part of an extent that live objects take.
fn fill_of(kind: &ExtentKind) -> f64 {
    match kind {
        ExtentKind::Free => 0.0,
        ExtentKind::Huge => 1.0,
        ExtentKind::Slab { objects, live, .. } => f64::from(*live) / f64::from((*objects).max(1)),
    }
}

fn group(svg: &mut String, scale: &Scale, extent: &Extent) {
    let (start, end) = (extent.range.start().get(), extent.range.end().get());
    let len = extent.range.len().get();
    let (kind, live, object_bytes, title) = match extent.kind {
        ExtentKind::Free => ("free", 0, 0, format!("free: {}", size(len))),
        ExtentKind::Huge => ("huge", 1, len, format!("one object of {}", size(len))),
        ExtentKind::Slab {
            object_bytes,
            objects,
            live,
        } => (
            "slab",
            live,
            u64::from(object_bytes),
            format!("{live} of {objects} objects of {object_bytes} bytes"),
        ),
    };
    let color = match extent.kind {
        ExtentKind::Free => "#eceff1".to_string(),
        ExtentKind::Huge => "#3f6fb0".to_string(),
        ExtentKind::Slab { .. } => shade(fill_of(&extent.kind)),
    };
    *svg += &format!(
        r#"<g class="{kind}" data-at="{start}" data-len="{len}" data-live="{live}" data-object-bytes="{object_bytes}" fill="{color}" stroke="white" stroke-width="0.4"><title>{start:#x}: {title}</title>"#
    );
    for (x, y, width) in scale.pieces(start, end) {
        *svg +=
            &format!(r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{ROW_HEIGHT}"/>"#);
    }
    *svg += "</g>\n";
}

/// From pale to full green with the share of live objects.
fn shade(share: f64) -> String {
    let mix = |from: f64, to: f64| (from + (to - from) * share.clamp(0.0, 1.0)) as u8;
    format!(
        "#{:02x}{:02x}{:02x}",
        mix(220.0, 46.0),
        mix(237.0, 125.0),
        mix(200.0, 50.0)
    )
}

fn legend(svg: &mut String) {
    let entries = [
        ("#eceff1", "free"),
        ("#3f6fb0", "huge"),
        (&*shade(0.1), "slab, nearly empty"),
        (&*shade(1.0), "slab, full"),
    ]
    .map(|(color, word)| (color.to_string(), word));
    for (index, (color, word)) in entries.iter().enumerate() {
        let x = LEFT + 420.0 + index as f64 * 130.0;
        *svg += &format!(
            r#"<rect class="legend" x="{x}" y="32" width="12" height="12" fill="{color}"/><text x="{}" y="42">{word}</text>{}"#,
            x + 18.0,
            "\n"
        );
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use everline::units::ByteRange;

    #[test]
    fn an_extent_is_drawn_in_every_row_it_touches_and_nowhere_else() {
        let scale = Scale {
            base: 100,
            row_bytes: 10,
        };
        let widths: Vec<f64> = scale.pieces(105, 125).map(|piece| piece.2).collect();
        assert_eq!(widths, [WIDTH / 2.0, WIDTH, WIDTH / 2.0]);
        assert_eq!(scale.pieces(110, 120).count(), 1);
    }

    #[test]
    fn a_path_cannot_break_the_picture() {
        let kind = ExtentKind::Free;
        let range = ByteRange::at(4096, 4096).expect("a range");
        let svg = draw("a<b>&c", &[Extent { range, kind }]);
        assert!(svg.contains("a&lt;b&gt;&amp;c"), "{svg}");
    }
}
