//! The shades of each colour: what people call them, and how they look in the picture.

use crate::attributes::Colour;
use crate::dice::Dice;

#[derive(Debug)]
pub struct Shade {
    /// Names for this very shade; the name of the colour itself is said too.
    pub names: &'static [&'static str],
    /// Red, green and blue.
    pub rgb: [u8; 3],
}

const fn shade(names: &'static [&'static str], rgb: [u8; 3]) -> Shade {
    Shade { names, rgb }
}

/// The shades of a colour; the first is the one that needs no name of its own.
pub fn shades(colour: Colour) -> &'static [Shade] {
    match colour {
        Colour::White => &WHITE,
        Colour::Beige => &BEIGE,
        Colour::Brown => &BROWN,
        Colour::Black => &BLACK,
        Colour::Grey => &GREY,
        Colour::Navy => &NAVY,
        Colour::Blue => &BLUE,
        Colour::Turquoise => &TURQUOISE,
        Colour::Green => &GREEN,
        Colour::Yellow => &YELLOW,
        Colour::Orange => &ORANGE,
        Colour::Red => &RED,
        Colour::Pink => &PINK,
        Colour::Purple => &PURPLE,
        Colour::Multicoloured => &MULTICOLOURED,
    }
}

/// What everybody calls the colour.
pub fn common_names(colour: Colour) -> &'static [&'static str] {
    match colour {
        Colour::White => &["white"],
        Colour::Beige => &["beige"],
        Colour::Brown => &["brown"],
        Colour::Black => &["black"],
        Colour::Grey => &["grey"],
        Colour::Navy => &["navy", "navy blue", "dark blue"],
        Colour::Blue => &["blue"],
        Colour::Turquoise => &["turquoise"],
        Colour::Green => &["green"],
        Colour::Yellow => &["yellow"],
        Colour::Orange => &["orange"],
        Colour::Red => &["red"],
        Colour::Pink => &["pink"],
        Colour::Purple => &["purple"],
        Colour::Multicoloured => &["multicoloured", "colourful"],
    }
}

pub fn choose(colour: Colour, dice: &mut Dice) -> &'static Shade {
    let all = shades(colour);
    &all[if dice.percent(35) { 0 } else { dice.below(all.len()) }]
}

static WHITE: [Shade; 4] = [
    shade(&["pure white"], [0xfa, 0xfa, 0xf8]),
    shade(&["snow white", "bright white"], [0xff, 0xff, 0xff]),
    shade(&["ivory"], [0xfb, 0xf6, 0xe6]),
    shade(&["off-white"], [0xf4, 0xf1, 0xea]),
];

static BEIGE: [Shade; 6] = [
    shade(&["light beige"], [0xdd, 0xc7, 0xa3]),
    shade(&["sand", "sandy beige"], [0xd3, 0xb8, 0x8c]),
    shade(&["cream", "creamy beige"], [0xeb, 0xdb, 0xbb]),
    shade(&["camel", "camel beige"], [0xc4, 0x9a, 0x62]),
    shade(&["oatmeal", "oatmeal beige"], [0xd8, 0xca, 0xb0]),
    shade(&["champagne", "champagne beige"], [0xe8, 0xd3, 0xb0]),
];

static BROWN: [Shade; 6] = [
    shade(&["dark brown"], [0x6f, 0x45, 0x2a]),
    shade(&["chocolate", "chocolate brown"], [0x54, 0x32, 0x20]),
    shade(&["chestnut", "chestnut brown"], [0x82, 0x46, 0x2b]),
    shade(&["hazel", "hazel brown"], [0x93, 0x68, 0x3e]),
    shade(&["coffee", "coffee brown"], [0x66, 0x4a, 0x3a]),
    shade(&["cinnamon", "cinnamon brown"], [0x9c, 0x5b, 0x32]),
];

static BLACK: [Shade; 2] = [shade(&["deep black"], [0x22, 0x22, 0x26]), shade(&["jet black"], [0x17, 0x17, 0x1a])];

static GREY: [Shade; 6] = [
    shade(&["mid-grey"], [0x8d, 0x90, 0x96]),
    shade(&["charcoal", "charcoal grey"], [0x4d, 0x50, 0x57]),
    shade(&["silver", "silver grey"], [0xb9, 0xbd, 0xc4]),
    shade(&["light grey", "pale grey"], [0xc6, 0xc8, 0xcc]),
    shade(&["slate", "slate grey"], [0x6a, 0x74, 0x80]),
    shade(&["ash grey"], [0xa5, 0xa4, 0xa0]),
];

static NAVY: [Shade; 3] = [
    shade(&["deep navy"], [0x1d, 0x2a, 0x52]),
    shade(&["midnight blue"], [0x16, 0x1f, 0x45]),
    shade(&["ink blue"], [0x25, 0x36, 0x60]),
];

static BLUE: [Shade; 7] = [
    shade(&["bright blue"], [0x2f, 0x6f, 0xd0]),
    shade(&["royal blue"], [0x27, 0x4f, 0xc4]),
    shade(&["sky blue"], [0x87, 0xbc, 0xe8]),
    shade(&["cornflower blue"], [0x64, 0x8f, 0xe0]),
    shade(&["cobalt", "cobalt blue"], [0x12, 0x46, 0xab]),
    shade(&["light blue", "pale blue", "baby blue"], [0xa9, 0xcd, 0xee]),
    shade(&["steel blue"], [0x45, 0x6d, 0x9d]),
];

static TURQUOISE: [Shade; 4] = [
    shade(&["bright turquoise"], [0x1f, 0xb8, 0xb4]),
    shade(&["teal"], [0x13, 0x80, 0x83]),
    shade(&["aqua"], [0x5a, 0xd2, 0xd0]),
    shade(&["lagoon turquoise"], [0x2a, 0xa5, 0xb6]),
];

static GREEN: [Shade; 9] = [
    shade(&["bright green"], [0x2f, 0x9a, 0x4d]),
    shade(&["emerald", "emerald green"], [0x0c, 0x8a, 0x5b]),
    shade(&["olive", "olive green"], [0x78, 0x7c, 0x3a]),
    shade(&["mint", "mint green"], [0xa6, 0xdd, 0xc0]),
    shade(&["bottle green", "dark green"], [0x12, 0x4e, 0x39]),
    shade(&["sage", "sage green"], [0x9d, 0xb0, 0x8d]),
    shade(&["moss green"], [0x5d, 0x74, 0x37]),
    shade(&["lime", "lime green"], [0x9c, 0xcb, 0x3b]),
    shade(&["apple green"], [0x74, 0xb8, 0x45]),
];

static YELLOW: [Shade; 5] = [
    shade(&["bright yellow"], [0xf5, 0xd1, 0x2f]),
    shade(&["lemon", "lemon yellow"], [0xf8, 0xe5, 0x5c]),
    shade(&["mustard", "mustard yellow"], [0xd6, 0xa4, 0x20]),
    shade(&["sunflower yellow"], [0xf7, 0xc3, 0x1c]),
    shade(&["pale yellow", "butter yellow"], [0xf8, 0xe9, 0xa0]),
];

static ORANGE: [Shade; 5] = [
    shade(&["bright orange"], [0xf0, 0x83, 0x2a]),
    shade(&["tangerine", "tangerine orange"], [0xf5, 0x94, 0x1f]),
    shade(&["apricot"], [0xf6, 0xb4, 0x7c]),
    shade(&["rust", "rusty orange"], [0xbf, 0x59, 0x22]),
    shade(&["terracotta"], [0xcc, 0x6b, 0x45]),
];

static RED: [Shade; 6] = [
    shade(&["bright red"], [0xd0, 0x26, 0x2f]),
    shade(&["crimson"], [0xb3, 0x16, 0x35]),
    shade(&["scarlet", "scarlet red"], [0xe0, 0x2b, 0x22]),
    shade(&["burgundy", "wine red"], [0x78, 0x17, 0x2d]),
    shade(&["cherry red"], [0xbb, 0x1a, 0x2b]),
    shade(&["ruby", "ruby red"], [0xa5, 0x12, 0x3a]),
];

static PINK: [Shade; 6] = [
    shade(&["bright pink"], [0xf0, 0x7f, 0xae]),
    shade(&["rose", "rose pink"], [0xe9, 0x92, 0xa8]),
    shade(&["fuchsia", "hot pink"], [0xd8, 0x2c, 0x8c]),
    shade(&["pale pink", "baby pink"], [0xf6, 0xc5, 0xd3]),
    shade(&["blush", "blush pink"], [0xf0, 0xc9, 0xc4]),
    shade(&["salmon", "salmon pink"], [0xf3, 0x98, 0x8b]),
];

static PURPLE: [Shade; 6] = [
    shade(&["bright purple"], [0x7b, 0x3f, 0xa5]),
    shade(&["violet"], [0x6c, 0x35, 0xb5]),
    shade(&["lilac"], [0xc0, 0xa0, 0xd8]),
    shade(&["lavender"], [0xb3, 0xa5, 0xe0]),
    shade(&["plum", "plum purple"], [0x6b, 0x26, 0x5c]),
    shade(&["aubergine", "aubergine purple"], [0x43, 0x1f, 0x48]),
];

static MULTICOLOURED: [Shade; 3] = [
    shade(&["many-coloured"], [0xf7, 0xf0, 0xe1]),
    shade(&["brightly coloured"], [0xfc, 0xf3, 0xc9]),
    shade(&["brightly mixed"], [0xe8, 0xee, 0xf7]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shade_has_the_name_of_two_colours() {
        let mut names: Vec<&str> =
            Colour::ALL.iter().flat_map(|colour| shades(*colour)).flat_map(|shade| shade.names).copied().collect();
        names.extend(Colour::ALL.iter().flat_map(|colour| common_names(*colour)));
        let total = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), total);
    }
}
