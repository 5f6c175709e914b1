//! The shape of the dress: cut, length, neckline and sleeves.
//!
//! Only the left half is described, from the middle of the hem round to the middle of the neckline; the right half
//! is its mirror image.

use crate::attributes::{Attributes, Fit, Length, Neckline, Sleeves};

type Point = (f32, f32);

pub const MIDDLE: f32 = 120.0;
const ARMPIT: f32 = 102.0;
const WAIST: f32 = 131.0;
/// Where the sleeve meets the body, the seam bends towards this point.
const SEAM: Point = (92.0, 88.0);

/// Half of an outline: a start, and curves of one control point each.
struct Half {
    start: Point,
    curves: Vec<(Point, Point)>,
}

impl Half {
    fn curve(&mut self, control: Point, end: Point) {
        self.curves.push((control, end));
    }

    fn line(&mut self, end: Point) {
        let (x, y) = self.curves.last().map_or(self.start, |(_, end)| *end);
        self.curve(((x + end.0) / 2.0, (y + end.1) / 2.0), end);
    }

    /// The closed path of both halves.
    fn path(&self) -> String {
        let mirrored = |(x, y): Point| (2.0 * MIDDLE - x, y);
        let mut path = format!("<path d=\"M{}", point(self.start));
        for (control, end) in &self.curves {
            path.push_str(&format!("Q{} {}", point(*control), point(*end)));
        }
        for (n, (control, _)) in self.curves.iter().enumerate().rev() {
            let end = if n == 0 { self.start } else { self.curves[n - 1].1 };
            path.push_str(&format!("Q{} {}", point(mirrored(*control)), point(mirrored(end))));
        }
        path + "Z\"/>"
    }
}

/// Tenths are fine enough, and ".0" is left out.
fn point((x, y): Point) -> String {
    let number = |value: f32| (value * 10.0).round() / 10.0;
    format!("{} {}", number(x), number(y))
}

pub fn outline(dress: &Attributes) -> String {
    sleeves(dress) + &half(dress).path()
}

fn half(dress: &Attributes) -> Half {
    let mut half = skirt(dress.fit, dress.length);
    top(&mut half, dress);
    half
}

/// How far down the neckline comes in the middle.
pub fn throat(dress: &Attributes) -> f32 {
    half(dress).curves.last().map_or(0.0, |(_, (_, y))| *y)
}

/// Where the hem is.
pub fn hem(length: Length) -> f32 {
    match length {
        Length::Mini => 192.0,
        Length::Knee => 230.0,
        Length::Midi => 264.0,
        Length::Maxi => 299.0,
    }
}

/// Half the width of the hem.
pub fn spread(fit: Fit, length: Length) -> f32 {
    let below_waist = hem(length) - WAIST;
    match fit {
        Fit::ALine => 25.0 + below_waist * 0.34,
        Fit::Fitted => [30.0, 27.0, 25.0, 30.0][length as usize],
        Fit::Loose => 33.0 + below_waist * 0.14,
        Fit::Wrap => 25.0 + below_waist * 0.21,
        Fit::Empire => 27.0 + below_waist * 0.25,
    }
}

/// From the middle of the hem up to the armpit.
fn skirt(fit: Fit, length: Length) -> Half {
    let hem = hem(length);
    let edge = MIDDLE - spread(fit, length);
    let dip = if fit == Fit::Fitted { 3.0 } else { 7.0 };
    let mut half = Half { start: (MIDDLE, hem + dip), curves: Vec::new() };
    half.curve(((MIDDLE + edge) / 2.0, hem + dip), (edge, hem));
    match fit {
        Fit::ALine | Fit::Wrap => {
            half.curve((MIDDLE - 28.0, WAIST + 26.0), (MIDDLE - 20.5, WAIST));
            half.curve((MIDDLE - 22.0, 114.0), (MIDDLE - 27.0, ARMPIT));
        }
        Fit::Fitted => {
            half.curve((MIDDLE - 31.0, (hem + 164.0) / 2.0), (MIDDLE - 31.0, 164.0));
            half.curve((MIDDLE - 30.0, 146.0), (MIDDLE - 20.5, WAIST));
            half.curve((MIDDLE - 22.0, 114.0), (MIDDLE - 27.0, ARMPIT));
        }
        Fit::Loose => half.curve((MIDDLE - 33.0, 150.0), (MIDDLE - 30.0, ARMPIT)),
        Fit::Empire => {
            half.curve((MIDDLE - 28.0, 146.0), (MIDDLE - 24.5, 113.0));
            half.line((MIDDLE - 27.0, ARMPIT));
        }
    }
    half
}

/// From the armpit to the middle of the neckline.
fn top(half: &mut Half, dress: &Attributes) {
    let shoulder = if dress.sleeves == Sleeves::Sleeveless { 87.0 } else { 83.0 };
    match (dress.neckline, dress.sleeves) {
        (Neckline::OffShoulder, _) => {
            half.curve((86.0, 96.0), (83.0, 84.0));
            half.curve((100.0, 91.0), (MIDDLE, 91.0));
        }
        (Neckline::Halter, _) => {
            half.curve((104.0, 88.0), (110.0, 57.0));
            half.line((114.0, 56.0));
            half.curve((116.0, 80.0), (MIDDLE, 90.0));
        }
        (neckline, Sleeves::Straps) => {
            half.curve((97.0, 96.0), (102.0, 85.0));
            edge_between_straps(half, neckline);
        }
        (neckline, _) => {
            half.curve(SEAM, (shoulder, 70.0));
            edge_between_shoulders(half, neckline);
        }
    }
}

fn edge_between_straps(half: &mut Half, neckline: Neckline) {
    match neckline {
        Neckline::V => half.curve((108.0, 94.0), (MIDDLE, 108.0)),
        Neckline::Round => half.curve((106.0, 99.0), (MIDDLE, 99.0)),
        Neckline::Cowl => half.curve((109.0, 104.0), (MIDDLE, 105.0)),
        _ => half.line((MIDDLE, 86.0)),
    }
}

fn edge_between_shoulders(half: &mut Half, neckline: Neckline) {
    match neckline {
        Neckline::V => {
            half.line((105.0, 64.0));
            half.line((MIDDLE, 107.0));
        }
        Neckline::High => {
            half.curve((104.0, 66.0), (110.5, 60.0));
            half.line((111.0, 51.0));
            half.curve((116.0, 53.0), (MIDDLE, 53.0));
        }
        Neckline::Square => {
            half.line((101.0, 65.0));
            half.line((102.0, 91.0));
            half.line((MIDDLE, 91.0));
        }
        Neckline::Boat => {
            half.line((90.0, 67.5));
            half.curve((102.0, 75.0), (MIDDLE, 75.0));
        }
        Neckline::Cowl => {
            half.line((101.0, 65.0));
            half.curve((106.0, 98.0), (MIDDLE, 100.0));
        }
        _ => {
            half.line((105.0, 64.0));
            half.curve((105.0, 86.0), (MIDDLE, 86.0));
        }
    }
}

/// Both sleeves. The arm runs straight from the shoulder to the wrist, and the cuff at a right angle to it.
fn sleeves(dress: &Attributes) -> String {
    let end = match dress.sleeves {
        Sleeves::Sleeveless | Sleeves::Straps => return String::new(),
        Sleeves::Short => 108.0,
        Sleeves::ThreeQuarter => 145.0,
        Sleeves::Long => 174.0,
    };
    let wide = if dress.fit == Fit::Loose { 3.0 } else { 0.0 };
    let cuff = (outer_edge(end) - wide, end);
    let inner_end = end + 4.5;
    let inner_cuff = (inner_edge(inner_end) + wide, inner_end);
    let armpit = (MIDDLE - 27.0, ARMPIT);
    // Without a shoulder, the sleeve begins on the upper arm.
    let (top, bend, seam) = match dress.neckline {
        Neckline::OffShoulder | Neckline::Halter => ((83.0, 84.0), (74.0, 83.0), (86.0, 96.0)),
        _ => ((83.0, 70.0), (75.0, 73.0), SEAM),
    };
    let mut both = String::new();
    for mirror in [false, true] {
        let place = |(x, y): Point| point(if mirror { (2.0 * MIDDLE - x, y) } else { (x, y) });
        both.push_str(&format!(
            "<path d=\"M{}Q{} {}L{}L{}L{}Q{} {}Z\"/>",
            place(top),
            place(bend),
            place((outer_edge(93.0), 93.0)),
            place(cuff),
            place(inner_cuff),
            place(armpit),
            place(seam),
            place(top),
        ));
    }
    both
}

/// Where a sleeve ends to the outside and to the inside, at a height.
fn outer_edge(y: f32) -> f32 {
    74.0 - (y - 76.0) * 0.22
}

fn inner_edge(y: f32) -> f32 {
    93.0 - (y - 102.0) * 0.325
}
