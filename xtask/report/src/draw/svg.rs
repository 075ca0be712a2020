//! Writes SVG: shapes by class, texts escaped. Colours are the style sheet's.

use std::fmt::Write as _;

use crate::xml;

/// A drawing that is being made.
pub struct Svg {
    width: f64,
    body: String,
    /// Texts, which stand on top of everything.
    texts: String,
}

/// Which side of a text its place is.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

impl Svg {
    /// An empty drawing.
    pub fn new(width: f64) -> Self {
        Self { width, body: String::new(), texts: String::new() }
    }

    /// A rectangle with round corners.
    pub fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], round: f64) {
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{round}"/>"#
        );
    }

    /// A path.
    pub fn path(&mut self, class: &str, d: &str) {
        let _ = write!(self.body, r#"<path class="{class}" d="{d}"/>"#);
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, [x, y]: [f64; 2], [to_x, to_y]: [f64; 2]) {
        self.path(class, &format!("M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}"));
    }

    /// A level line with a head at its end.
    pub fn arrow(&mut self, class: &str, from: f64, to: f64, y: f64) {
        let back = if to > from { -7.0 } else { 7.0 };
        self.line(class, [from, y], [to + back / 2.0, y]);
        let head = format!("M{to:.1} {y:.1}l{back} -3.5v7z");
        self.path(&format!("{class} head"), &head);
    }

    /// Where an arrow ends that does not arrive.
    pub fn cross(&mut self, class: &str, x: f64, y: f64) {
        self.path(class, &format!("M{:.1} {:.1}l8 8m0 -8l-8 8", x - 4.0, y - 4.0));
    }

    /// Puts what another drawing holds on top.
    pub fn append(&mut self, other: Self) {
        self.body += &other.body;
        self.texts += &other.texts;
    }

    /// A text.
    pub fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let text = xml::escape(text);
        let _ = write!(self.texts, r#"<text class="{class}" x="{x:.1}" y="{y:.1}"{anchor}>{text}</text>"#);
    }

    /// The drawing, with what it shows in words.
    pub fn finish(self, height: f64, title: &str, described: &str) -> Drawing {
        let Self { width, body, texts } = self;
        let (title, described) = (xml::escape(title), xml::escape(described));
        let inner = format!("<title>{title}</title><desc>{described}</desc>{body}{texts}");
        Drawing { width, height, inner }
    }
}

/// A drawing that is done.
pub struct Drawing {
    width: f64,
    height: f64,
    inner: String,
}

impl Drawing {
    /// For a page, which has the style sheet.
    pub fn within(&self) -> String {
        let Self { width, height, inner } = self;
        format!(
            r#"<svg role="img" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}">{inner}</svg>"#
        )
    }

    /// As a file of its own, on a ground of its own.
    pub fn alone(&self, style: &str) -> String {
        let Self { width, height, inner } = self;
        let (whole_width, whole_height) = (width + 24.0, height + 24.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"-12 -12 {whole_width:.0} {whole_height:.0}\" \
             width=\"{whole_width:.0}\" height=\"{whole_height:.0}\"><style>{style}</style>\
             <rect class=\"ground\" x=\"-12\" y=\"-12\" width=\"{whole_width:.0}\" height=\"{whole_height:.0}\" rx=\"8\"/>{inner}</svg>\n"
        )
    }
}
