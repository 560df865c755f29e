//! The picture as SVG.

use std::fmt::Write;

use super::gather::{Fate, Lane, Mark, Picture, Shape};

const ROW: usize = 18;
const LANE: usize = 34;
/// Where the rows begin: below title and names of lanes.
const TOP: usize = 130;
/// Where the lanes begin: right of the labels.
const LEFT: usize = 560;

const STYLE: &str = "text{font:12px monospace;fill:#222}.t{font-size:15px;font-weight:bold}.p{fill:#667}\
.g{stroke:#dde;stroke-width:1}.l{stroke:#99a;stroke-width:1.2;fill:none}\
.dirty{fill:#d33}.flushed{fill:#e90}.durable{fill:#2a2}.flush{fill:#46c}.fence{fill:#222}.op{fill:#86b}.bad{fill:#d33}";

impl Picture {
    pub(super) fn svg(&self) -> String {
        let width = LEFT + LANE * (self.lanes.len() + 2);
        let height = TOP + ROW * (self.rows.len() + 2);
        let mut svg = String::new();
        let mut put = |text: std::fmt::Arguments<'_>| {
            let _infallible = svg.write_fmt(text);
            svg.push('\n');
        };
        put(format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">"#
        ));
        put(format_args!("<style>{STYLE}</style>"));
        put(format_args!(
            r##"<rect width="{width}" height="{height}" fill="#fff"/>"##
        ));
        put(format_args!(
            r#"<text class="t" x="12" y="24">store, flush, fence: {}</text>"#,
            escaped(&self.extent())
        ));
        put(format_args!(
            r#"<text x="12" y="44"><tspan class="dirty">● never flushed</tspan> <tspan class="flushed">● flushed, or past the cache</tspan> <tspan class="durable">● durable</tspan></text>"#
        ));
        put(format_args!(
            r#"<text x="12" y="62"><tspan class="flush">▲ flush</tspan> <tspan class="fence">■ fence</tspan> <tspan class="op">▼ invoke, ◆ ack</tspan></text>"#
        ));
        for (number, lane) in self.lanes.iter().enumerate() {
            let (x, bottom) = (across(number), TOP + ROW * self.rows.len());
            put(format_args!(
                r#"<line class="g" x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}"/>"#
            ));
            put(format_args!(
                r#"<text x="{x}" y="{y}" transform="rotate(-60 {x} {y})">{name}</text>"#,
                y = TOP - 8,
                name = lane.name()
            ));
        }
        for link in &self.links {
            let (from, to) = (&self.marks[link.from], &self.marks[link.to]);
            put(format_args!(
                r#"<path class="l" d="M{} {} L{} {} L{} {}"/>"#,
                across(from.lane),
                down(from.row),
                across(from.lane),
                down(to.row),
                across(to.lane),
                down(to.row)
            ));
        }
        for (number, row) in self.rows.iter().enumerate() {
            let y = down(number) + 4;
            put(format_args!(
                r#"<text x="12" y="{y}">{} {}</text><text class="p" x="300" y="{y}">{}</text>"#,
                row.event,
                escaped(&row.what),
                escaped(&ending(&row.place))
            ));
        }
        for mark in &self.marks {
            let row = &self.rows[mark.row];
            put(format_args!(
                "<g><title>{} {}, {}: {}</title>{}</g>",
                row.event,
                escaped(&row.what),
                escaped(&row.place),
                mark.fate(),
                mark.drawn()
            ));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// What is shown, and what is not.
    fn extent(&self) -> String {
        let mut told = match self.events == self.rows.len() {
            true => format!("{} events", self.events),
            false => format!("the first {} of {} events", self.rows.len(), self.events),
        };
        if self.lines_left_out > 0 {
            let _infallible = write!(told, ", {} more lines are not drawn", self.lines_left_out);
        }
        told
    }
}

fn across(lane: usize) -> usize {
    LEFT + LANE * lane + LANE / 2
}

fn down(row: usize) -> usize {
    TOP + ROW * row + ROW / 2
}

impl Lane {
    fn name(self) -> String {
        match self {
            // Numbers above that are those of `on_thread`.
            Lane::Thread(number) if number >= 0x8000 => format!("on thread {}", number & 0x7FFF),
            Lane::Thread(number) => format!("thread {number}"),
            Lane::Line(at) => format!("{at:#x}"),
        }
    }
}

impl Mark {
    fn fate(&self) -> &'static str {
        match self.shape {
            Shape::Store(Fate::Dirty) => "never flushed",
            Shape::Store(Fate::Flushed) => "not fenced",
            Shape::Store(Fate::Durable) => "durable",
            Shape::Flush => "flush",
            Shape::Fence => "fence",
            Shape::FailedFence => "failed",
            Shape::Invoke => "begins",
            Shape::Ack => "acknowledged",
            Shape::Kill => "killed",
        }
    }

    fn drawn(&self) -> String {
        let (x, y) = (across(self.lane), down(self.row));
        let polygon = |class: &str, points: [(isize, isize); 4]| {
            let points = points.map(|(dx, dy)| {
                format!(
                    "{},{}",
                    x.wrapping_add_signed(dx),
                    y.wrapping_add_signed(dy)
                )
            });
            format!(
                r#"<polygon class="{class}" points="{}"/>"#,
                points.join(" ")
            )
        };
        let square = [(-5, -5), (5, -5), (5, 5), (-5, 5)];
        match self.shape {
            Shape::Store(fate) => {
                let class = match fate {
                    Fate::Dirty => "dirty",
                    Fate::Flushed => "flushed",
                    Fate::Durable => "durable",
                };
                format!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="5"/>"#)
            }
            Shape::Flush => polygon("flush", [(0, -6), (6, 5), (-6, 5), (0, -6)]),
            Shape::Fence => polygon("fence", square),
            Shape::FailedFence | Shape::Kill => polygon("bad", square),
            Shape::Invoke => polygon("op", [(-6, -5), (6, -5), (0, 6), (-6, -5)]),
            Shape::Ack => polygon("op", [(0, -7), (6, 0), (0, 7), (-6, 0)]),
        }
    }
}

/// The last characters of a long path: those tell where it is.
fn ending(place: &str) -> String {
    const SHOWN: usize = 34;
    let count = place.chars().count();
    match count > SHOWN {
        true => "…"
            .chars()
            .chain(place.chars().skip(count - SHOWN + 1))
            .collect(),
        false => place.into(),
    }
}

/// Text that XML may hold.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\u{FFFE}' | '\u{FFFF}' => safe.push('\u{FFFD}'),
            _ if letter.is_control() => safe.push('\u{FFFD}'),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_kind_is_fit_for_xml() {
        assert_eq!(
            escaped("a<b> & \"c\" 'd'\u{1}\n"),
            "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;\u{FFFD}\u{FFFD}"
        );
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        let long = format!("{}/file.rs:12", "folder/".repeat(20));
        let shown = ending(&long);
        assert!(
            shown.ends_with("/file.rs:12") && shown.starts_with('…'),
            "{shown}"
        );
        assert_eq!(shown.chars().count(), 34);
        assert_eq!(ending("src/a.rs:1"), "src/a.rs:1");
    }
}
