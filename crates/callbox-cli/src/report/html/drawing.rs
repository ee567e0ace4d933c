//! SVG being written: a plot with its frame, its marks, and what is drawn in it.

use super::axis::Mark;
use super::escaped;

/// All plots are this wide, in units of about a pixel.
pub const WIDTH: f64 = 960.0;

/// Where in the picture the plot is.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// Room for the labels of the left axis.
    pub left: f64,
    /// Room above it.
    pub top: f64,
    /// Where it ends.
    pub right: f64,
    /// Its lower edge.
    pub bottom: f64,
}

impl Area {
    /// Returns where a share of the width is.
    pub fn x(self, at: f64) -> f64 {
        self.left + (self.right - self.left) * at
    }

    /// Returns where a share of the height is, from below.
    pub fn y(self, at: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * at
    }
}

/// A picture being drawn.
#[derive(Debug)]
pub struct Drawing {
    out: String,
}

/// Which end of a text is where it is put.
#[derive(Debug, Clone, Copy)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Drawing {
    /// Starts a picture. Who cannot see it is told its title and description.
    pub fn new(name: &str, height: f64, title: &str, description: &str) -> Drawing {
        let (title, description) = (escaped(title), escaped(description));
        Drawing {
            out: format!(
                "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\n\
                 <title id=\"{name}-title\">{title}</title>\n<desc id=\"{name}-desc\">{description}</desc>\n"
            ),
        }
    }

    /// Writes text.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.push(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"));
    }

    /// Draws a straight line.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.push(&format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>"));
    }

    /// Draws a line through points.
    pub fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let way = way(points);
        self.push(&format!("<path d=\"{way}\" class=\"{class}\"/>"));
    }

    /// Fills what is between a line through points and the lower edge.
    pub fn filled(&mut self, points: &[(f64, f64)], bottom: f64, class: &str) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let way = way(points);
        self.push(&format!(
            "<path d=\"{way}L{:.1} {bottom:.1}L{:.1} {bottom:.1}Z\" class=\"{class}\"/>",
            last.0, first.0
        ));
    }

    /// Draws a rectangle, with what it says when it is pointed at.
    pub fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str, says: &str) {
        let end = if says.is_empty() { "/>".to_owned() } else { format!("><title>{}</title></rect>", escaped(says)) };
        self.push(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"{end}"
        ));
    }

    /// Draws a dot, with what it says when it is pointed at.
    pub fn dot(&mut self, (x, y): (f64, f64), class: &str, says: &str) {
        let says = escaped(says);
        self.push(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" class=\"{class}\"><title>{says}</title></circle>"
        ));
    }

    /// Draws the left axis: a line across the plot at each mark, and its label.
    pub fn left_axis(&mut self, area: Area, marks: &[Mark]) {
        for mark in marks {
            let y = area.y(mark.at);
            self.line((area.left, y), (area.right, y), "grid");
            self.text((area.left - 10.0, y + 4.0), Anchor::End, "mark", &mark.label);
        }
    }

    /// Draws the lower axis: a stroke at each mark, its label, and what the axis is about.
    pub fn lower_axis(&mut self, area: Area, marks: &[Mark], about: &str) {
        self.line((area.left, area.bottom), (area.right, area.bottom), "axis");
        for mark in marks {
            let x = area.x(mark.at);
            self.line((x, area.bottom), (x, area.bottom + 5.0), "axis");
            self.text((x, area.bottom + 20.0), Anchor::Middle, "mark", &mark.label);
        }
        self.text((area.x(0.5), area.bottom + 42.0), Anchor::Middle, "about", about);
    }

    /// Returns the picture.
    pub fn finish(self) -> String {
        self.out + "</svg>\n"
    }

    fn push(&mut self, element: &str) {
        self.out.push_str(element);
        self.out.push('\n');
    }
}

fn way(points: &[(f64, f64)]) -> String {
    let mut way = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        way.push_str(&format!("{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' }));
    }
    way
}
