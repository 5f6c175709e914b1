//! Chooses the attributes of a dress so that they go together: velvet in winter, linen in summer, sequins at a party.
//!
//! The occasion comes first, then the fabric, and the rest follows from these two.

use crate::attributes::{Attributes, Colour, Fabric, Fit, Length, Neckline, Occasion, Pattern, Sleeves};
use crate::dice::Dice;

pub fn choose(dice: &mut Dice) -> Attributes {
    let occasion = dice.weighted(OCCASIONS);
    let fabric = dice.weighted(fabrics(occasion));
    let pattern = dice.weighted(&patterns(fabric, occasion));
    let fit = dice.weighted(fits(fabric));
    let sleeves = dice.weighted(&sleeves(occasion, fabric));
    let neckline = dice.weighted(&necklines(sleeves, fit, occasion));
    let length = dice.weighted(&lengths(occasion, fit));
    let colour = dice.weighted(&colours(occasion, fabric, pattern));
    Attributes { colour, sleeves, neckline, length, fit, fabric, pattern, occasion }
}

const OCCASIONS: &[(Occasion, u32)] = &[
    (Occasion::Casual, 19),
    (Occasion::Office, 14),
    (Occasion::Summer, 18),
    (Occasion::Beach, 8),
    (Occasion::Winter, 10),
    (Occasion::Party, 13),
    (Occasion::Evening, 12),
    (Occasion::Wedding, 6),
];

fn fabrics(occasion: Occasion) -> &'static [(Fabric, u32)] {
    use Fabric::*;
    match occasion {
        Occasion::Casual => {
            &[(Cotton, 32), (Jersey, 26), (Denim, 14), (Linen, 8), (WoolKnit, 9), (Chiffon, 6), (Lace, 2), (Silk, 3)]
        }
        Occasion::Office => {
            &[(Jersey, 32), (Cotton, 24), (WoolKnit, 16), (Linen, 8), (Silk, 9), (Satin, 4), (Velvet, 3), (Denim, 4)]
        }
        Occasion::Summer => &[(Cotton, 38), (Linen, 24), (Chiffon, 16), (Jersey, 11), (Lace, 6), (Silk, 5)],
        Occasion::Beach => &[(Cotton, 34), (Linen, 24), (Chiffon, 22), (Jersey, 13), (Silk, 4), (Lace, 3)],
        Occasion::Winter => &[(WoolKnit, 56), (Velvet, 18), (Jersey, 15), (Cotton, 6), (Denim, 5)],
        Occasion::Party => &[
            (Sequins, 17),
            (Satin, 18),
            (Lace, 14),
            (Velvet, 11),
            (Tulle, 11),
            (Jersey, 10),
            (Chiffon, 9),
            (Silk, 7),
            (Cotton, 3),
        ],
        Occasion::Evening => {
            &[(Satin, 20), (Velvet, 16), (Chiffon, 16), (Silk, 14), (Lace, 12), (Sequins, 11), (Tulle, 8), (Jersey, 3)]
        }
        Occasion::Wedding => &[(Lace, 32), (Tulle, 21), (Satin, 19), (Chiffon, 16), (Silk, 12)],
    }
}

fn patterns(fabric: Fabric, occasion: Occasion) -> Vec<(Pattern, u32)> {
    use Pattern::*;
    let usual: &[(Pattern, u32)] = match fabric {
        Fabric::Cotton => &[
            (Plain, 30),
            (Striped, 18),
            (Checked, 12),
            (PolkaDots, 11),
            (Floral, 20),
            (Geometric, 5),
            (Paisley, 3),
            (AnimalPrint, 1),
        ],
        Fabric::Linen => &[(Plain, 58), (Striped, 18), (Checked, 10), (Floral, 9), (Geometric, 3), (PolkaDots, 2)],
        Fabric::Denim => &[(Plain, 100)],
        Fabric::Jersey => {
            &[(Plain, 40), (Striped, 20), (Geometric, 11), (Floral, 9), (PolkaDots, 8), (AnimalPrint, 7), (Paisley, 5)]
        }
        Fabric::WoolKnit => &[(Plain, 62), (Striped, 17), (Checked, 12), (Geometric, 9)],
        Fabric::Velvet => &[(Plain, 92), (Floral, 5), (AnimalPrint, 3)],
        Fabric::Satin => {
            &[(Plain, 74), (Floral, 9), (AnimalPrint, 6), (PolkaDots, 5), (Geometric, 3), (Striped, 2), (Paisley, 1)]
        }
        Fabric::Silk => {
            &[(Plain, 44), (Floral, 19), (Paisley, 14), (Geometric, 9), (AnimalPrint, 6), (PolkaDots, 5), (Striped, 3)]
        }
        Fabric::Chiffon => {
            &[(Plain, 42), (Floral, 28), (PolkaDots, 13), (Paisley, 8), (AnimalPrint, 4), (Geometric, 3), (Striped, 2)]
        }
        Fabric::Lace => &[(Plain, 68), (Floral, 32)],
        Fabric::Tulle => &[(Plain, 72), (Floral, 17), (PolkaDots, 11)],
        Fabric::Sequins => &[(Plain, 88), (Striped, 6), (Geometric, 6)],
    };
    let mut weights = usual.to_vec();
    for (pattern, weight) in &mut weights {
        match (occasion, *pattern) {
            (Occasion::Wedding, Plain | Floral) => {}
            (Occasion::Wedding, _) => *weight = 0,
            (Occasion::Office, AnimalPrint) | (Occasion::Winter, Floral) => *weight /= 2,
            _ => {}
        }
    }
    weights
}

fn fits(fabric: Fabric) -> &'static [(Fit, u32)] {
    use Fit::*;
    match fabric {
        Fabric::Cotton | Fabric::Linen => &[(ALine, 36), (Loose, 34), (Fitted, 12), (Wrap, 13), (Empire, 5)],
        Fabric::Denim => &[(ALine, 45), (Fitted, 30), (Loose, 25)],
        Fabric::Jersey => &[(Fitted, 40), (Loose, 24), (ALine, 18), (Wrap, 18)],
        Fabric::WoolKnit => &[(Fitted, 44), (Loose, 32), (ALine, 16), (Wrap, 8)],
        Fabric::Velvet => &[(Fitted, 52), (ALine, 26), (Wrap, 10), (Empire, 6), (Loose, 6)],
        Fabric::Satin | Fabric::Silk => &[(Fitted, 38), (ALine, 22), (Wrap, 19), (Loose, 13), (Empire, 8)],
        Fabric::Chiffon => &[(ALine, 30), (Empire, 26), (Loose, 24), (Wrap, 20)],
        Fabric::Lace => &[(Fitted, 44), (ALine, 40), (Empire, 10), (Loose, 6)],
        Fabric::Tulle => &[(ALine, 72), (Empire, 20), (Fitted, 8)],
        Fabric::Sequins => &[(Fitted, 64), (Loose, 20), (ALine, 16)],
    }
}

fn sleeves(occasion: Occasion, fabric: Fabric) -> Vec<(Sleeves, u32)> {
    let [sleeveless, straps, short, three_quarter, long] = match occasion {
        Occasion::Casual => [18, 8, 36, 14, 24],
        Occasion::Office => [24, 1, 25, 26, 24],
        Occasion::Summer => [34, 27, 29, 7, 3],
        Occasion::Beach => [30, 42, 20, 5, 3],
        Occasion::Winter => [3, 0, 6, 15, 76],
        Occasion::Party => [29, 26, 14, 10, 21],
        Occasion::Evening => [34, 22, 7, 8, 29],
        Occasion::Wedding => [32, 14, 12, 12, 30],
    };
    let warm = matches!(fabric, Fabric::WoolKnit | Fabric::Velvet);
    vec![
        (Sleeves::Sleeveless, if fabric == Fabric::WoolKnit { sleeveless / 4 } else { sleeveless }),
        (Sleeves::Straps, if fabric == Fabric::WoolKnit { 0 } else { straps }),
        (Sleeves::Short, short),
        (Sleeves::ThreeQuarter, three_quarter),
        (Sleeves::Long, if warm { long * 2 } else { long }),
    ]
}

fn necklines(sleeves: Sleeves, fit: Fit, occasion: Occasion) -> Vec<(Neckline, u32)> {
    let [round, v, high, square, boat, cowl, halter, off_shoulder] = match sleeves {
        Sleeves::Sleeveless => [30, 26, 8, 11, 9, 5, 11, 0],
        Sleeves::Straps => [16, 42, 0, 22, 0, 20, 0, 0],
        Sleeves::Short => [36, 25, 3, 15, 9, 2, 0, 10],
        Sleeves::ThreeQuarter => [28, 24, 6, 10, 22, 3, 0, 7],
        Sleeves::Long => [26, 27, 23, 6, 9, 4, 0, 5],
    };
    let dressy = matches!(occasion, Occasion::Party | Occasion::Evening | Occasion::Wedding);
    let cold = occasion == Occasion::Winter;
    vec![
        (Neckline::Round, if dressy { round / 2 } else { round }),
        // The two halves of a wrap dress meet in a V.
        (Neckline::V, if fit == Fit::Wrap { v * 12 } else { v }),
        (Neckline::High, if cold { high * 3 } else { high }),
        (Neckline::Square, square),
        (Neckline::Boat, if fit == Fit::Loose { boat / 2 } else { boat }),
        (Neckline::Cowl, if dressy { cowl * 2 } else { cowl }),
        (Neckline::Halter, halter),
        (Neckline::OffShoulder, if cold { 0 } else { off_shoulder }),
    ]
}

fn lengths(occasion: Occasion, fit: Fit) -> Vec<(Length, u32)> {
    let [mini, knee, midi, maxi] = match occasion {
        Occasion::Casual => [24, 40, 26, 10],
        Occasion::Office => [4, 58, 34, 4],
        Occasion::Summer => [26, 33, 23, 18],
        Occasion::Beach => [36, 16, 16, 32],
        Occasion::Winter => [16, 44, 32, 8],
        Occasion::Party => [40, 33, 19, 8],
        Occasion::Evening => [2, 12, 22, 64],
        Occasion::Wedding => [3, 16, 23, 58],
    };
    vec![
        (Length::Mini, if fit == Fit::Empire { mini / 2 } else { mini }),
        (Length::Knee, knee),
        (Length::Midi, if fit == Fit::Wrap { midi * 2 } else { midi }),
        (Length::Maxi, if fit == Fit::Empire { maxi * 2 } else { maxi }),
    ]
}

fn colours(occasion: Occasion, fabric: Fabric, pattern: Pattern) -> Vec<(Colour, u32)> {
    use Colour::*;
    if fabric == Fabric::Denim {
        return vec![(Blue, 62), (Navy, 18), (Black, 10), (Grey, 6), (White, 4)];
    }
    let mut weights: Vec<(Colour, u32)> = vec![
        (White, 9),
        (Beige, 7),
        (Brown, 6),
        (Black, 12),
        (Grey, 8),
        (Navy, 9),
        (Blue, 10),
        (Turquoise, 4),
        (Green, 9),
        (Yellow, 6),
        (Orange, 4),
        (Red, 9),
        (Pink, 8),
        (Purple, 5),
        (Multicoloured, 6),
    ];
    for (colour, weight) in &mut weights {
        *weight = *weight * taste(occasion, *colour) * suits(pattern, *colour);
    }
    weights
}

/// How much more often a colour is met on an occasion; 2 is as often as elsewhere.
fn taste(occasion: Occasion, colour: Colour) -> u32 {
    use Colour::*;
    match (occasion, colour) {
        (Occasion::Wedding, White) => 24,
        (Occasion::Wedding, Beige) => 6,
        (Occasion::Wedding, Black | Brown) => 0,
        (Occasion::Summer | Occasion::Beach, White | Yellow | Turquoise | Orange | Pink) => 4,
        (Occasion::Summer | Occasion::Beach, Black | Grey | Brown) => 1,
        (Occasion::Office, Grey | Navy | Black | Beige) => 5,
        (Occasion::Office, Pink | Orange | Yellow) => 1,
        (Occasion::Winter, Grey | Brown | Red | Green | Beige) => 4,
        (Occasion::Winter, White | Yellow | Turquoise) => 1,
        (Occasion::Evening, Black | Red | Navy | Green | Purple) => 4,
        (Occasion::Evening, Yellow | Orange) => 1,
        (Occasion::Party, Black | Red | Pink | Purple) => 3,
        _ => 2,
    }
}

/// The same for a pattern; only what has a pattern has many colours.
fn suits(pattern: Pattern, colour: Colour) -> u32 {
    use Colour::*;
    match (pattern, colour) {
        (Pattern::Plain, Multicoloured) => 0,
        (Pattern::AnimalPrint, Beige | Brown) => 12,
        (Pattern::AnimalPrint, Navy | Turquoise) => 1,
        (Pattern::Striped, Navy | Blue | White) => 4,
        (Pattern::PolkaDots, Navy | Black | Red) => 4,
        (Pattern::Checked, Red | Blue | Grey) => 4,
        (Pattern::Paisley | Pattern::Geometric | Pattern::Floral, Multicoloured) => 5,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_value_occurs() {
        let chosen: Vec<Attributes> = (0..20_000).map(|row| choose(&mut Dice::new(1, row))).collect();
        macro_rules! all_of {
            ($field:ident, $type:ty) => {
                let seen: HashSet<_> = chosen.iter().map(|dress| dress.$field).collect();
                assert_eq!(seen.len(), <$type>::ALL.len(), stringify!($field));
            };
        }
        all_of!(colour, Colour);
        all_of!(sleeves, Sleeves);
        all_of!(neckline, Neckline);
        all_of!(length, Length);
        all_of!(fit, Fit);
        all_of!(fabric, Fabric);
        all_of!(pattern, Pattern);
        all_of!(occasion, Occasion);
    }

    #[test]
    fn what_does_not_go_together_does_not_occur() {
        for row in 0..20_000 {
            let dress = choose(&mut Dice::new(2, row));
            assert!(dress.colour != Colour::Multicoloured || dress.pattern != Pattern::Plain);
            assert!(dress.fabric != Fabric::Velvet || dress.occasion != Occasion::Summer);
            assert!(dress.sleeves != Sleeves::Straps || dress.neckline != Neckline::High);
        }
    }
}
