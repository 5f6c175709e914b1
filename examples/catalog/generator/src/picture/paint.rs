//! The colours of one picture, all derived from that of the dress.

pub struct Paint {
    pub base: String,
    /// The outline.
    pub edge: String,
    /// Seams and folds.
    pub line: String,
    /// What a pattern is drawn in; clearly apart from the base.
    pub contrast: String,
    /// A second one, between the two.
    pub accent: String,
    /// Dark enough for white to be seen on it.
    pub is_dark: bool,
}

type Rgb = [u8; 3];

const WHITE: Rgb = [255, 253, 248];
const INK: Rgb = [30, 28, 34];
/// On white and pale grey, which have no hue of their own to be darkened.
const SLATE: Rgb = [58, 70, 98];

impl Paint {
    pub fn new(base: Rgb) -> Self {
        let brightness = (u32::from(base[0]) * 299 + u32::from(base[1]) * 587 + u32::from(base[2]) * 114) / 1000;
        let is_dark = brightness < 185;
        let contrast = match (is_dark, saturation(base) >= 30) {
            (true, _) => mix(base, WHITE, 86),
            (false, true) => mix(base, [0, 0, 0], 56),
            (false, false) => mix(base, SLATE, 82),
        };
        Self {
            base: hex(base),
            // An outline darker than black would not be seen.
            edge: hex(if brightness < 60 { mix(base, WHITE, 35) } else { mix(base, INK, 55) }),
            line: hex(if brightness < 100 { mix(base, WHITE, 30) } else { mix(base, INK, 38) }),
            contrast: hex(contrast),
            accent: hex(mix(base, contrast, 50)),
            is_dark,
        }
    }
}

fn saturation(colour: Rgb) -> u8 {
    colour.iter().max().unwrap_or(&0) - colour.iter().min().unwrap_or(&0)
}

/// So many percent of the second colour in the first.
fn mix(first: Rgb, second: Rgb, percent: u32) -> Rgb {
    std::array::from_fn(|n| ((u32::from(first[n]) * (100 - percent) + u32::from(second[n]) * percent) / 100) as u8)
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
