//! Who of the five people says what.

use crate::attributes::{Attributes, Colour, Fabric, Fit, Kind, Length, Neckline, Sleeves};
use crate::dice::Dice;

/// One attribute in one person's mouth. Whoever errs sees another dress.
#[derive(Clone, Copy, Debug)]
pub struct Mention {
    pub kind: Kind,
    pub seen: Attributes,
}

const PEOPLE: usize = 5;
/// More than this makes a sentence that nobody would say.
const MOST: usize = 5;

/// Each attribute is mentioned by at least two people, what strikes the eye by more; now and then one person errs.
pub fn plan(dress: &Attributes, dice: &mut Dice) -> [Vec<Mention>; PEOPLE] {
    let mut said: [Vec<Mention>; PEOPLE] = Default::default();
    let mut kinds = Kind::ALL;
    dice.shuffle(&mut kinds);
    // The two first, while everybody has room.
    for kind in kinds {
        share_out(&mut said, Mention { kind, seen: *dress }, 2, dice);
    }
    for kind in kinds {
        let more = dice.weighted(more_people(kind));
        share_out(&mut said, Mention { kind, seen: *dress }, more, dice);
    }
    if dice.percent(8) {
        err(dress, &mut said, dice);
    }
    for mentions in &mut said {
        dice.shuffle(mentions);
    }
    said
}

/// How many people beyond two mention an attribute, and how often it is so many.
fn more_people(kind: Kind) -> &'static [(usize, u32)] {
    match kind {
        Kind::Colour => &[(1, 50), (2, 40), (3, 10)],
        Kind::Sleeves => &[(0, 35), (1, 50), (2, 15)],
        Kind::Occasion | Kind::Length | Kind::Fabric => &[(0, 65), (1, 35)],
        Kind::Pattern | Kind::Neckline | Kind::Fit => &[(0, 80), (1, 20)],
    }
}

/// Gives the mention to so many people who have said nothing of the kind: those first who have said little, but not
/// strictly so.
fn share_out(said: &mut [Vec<Mention>; PEOPLE], mention: Mention, people: usize, dice: &mut Dice) {
    let mut order: Vec<(usize, usize)> = (0..PEOPLE)
        .filter(|person| said[*person].len() < MOST && said[*person].iter().all(|other| other.kind != mention.kind))
        .map(|person| (said[person].len() * 2 + dice.below(4), person))
        .collect();
    dice.shuffle(&mut order);
    order.sort_by_key(|(load, _)| *load);
    for (_, person) in order.into_iter().take(people) {
        said[person].push(mention);
    }
}

/// Adds one person's error, in something that can be mistaken.
fn err(dress: &Attributes, said: &mut [Vec<Mention>; PEOPLE], dice: &mut Dice) {
    let mut kinds = Kind::ALL;
    dice.shuffle(&mut kinds);
    let mistake = kinds.iter().find_map(|kind| mistaken(dress, *kind).map(|seen| Mention { kind: *kind, seen }));
    if let Some(mention) = mistake {
        share_out(said, mention, 1, dice);
    }
}

/// The dress as somebody sees it who takes one attribute for another that is close.
fn mistaken(dress: &Attributes, kind: Kind) -> Option<Attributes> {
    let mut seen = *dress;
    match kind {
        Kind::Colour => {
            seen.colour = match dress.colour {
                Colour::Blue | Colour::Green => Colour::Turquoise,
                Colour::Turquoise => Colour::Blue,
                Colour::Navy => Colour::Black,
                Colour::White => Colour::Beige,
                Colour::Pink => Colour::Purple,
                Colour::Orange => Colour::Red,
                _ => return None,
            }
        }
        Kind::Length => {
            seen.length = match dress.length {
                Length::Mini | Length::Midi => Length::Knee,
                Length::Knee | Length::Maxi => Length::Midi,
            }
        }
        Kind::Sleeves => {
            seen.sleeves = match dress.sleeves {
                Sleeves::ThreeQuarter => Sleeves::Long,
                Sleeves::Straps => Sleeves::Sleeveless,
                _ => return None,
            }
        }
        Kind::Neckline => {
            seen.neckline = match dress.neckline {
                Neckline::Boat => Neckline::Round,
                Neckline::Cowl => Neckline::V,
                _ => return None,
            }
        }
        Kind::Fit => {
            seen.fit = match dress.fit {
                Fit::Empire | Fit::Loose => Fit::ALine,
                _ => return None,
            }
        }
        Kind::Fabric => {
            seen.fabric = match dress.fabric {
                Fabric::Satin => Fabric::Silk,
                Fabric::Silk => Fabric::Satin,
                Fabric::Linen => Fabric::Cotton,
                Fabric::Tulle => Fabric::Chiffon,
                _ => return None,
            }
        }
        Kind::Pattern | Kind::Occasion => return None,
    }
    Some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice;

    #[test]
    fn each_attribute_is_said_rightly_by_two_people_or_more() {
        for row in 0..5000 {
            let mut dice = Dice::new(1, row);
            let dress = choice::choose(&mut dice);
            let said = plan(&dress, &mut dice);
            for kind in Kind::ALL {
                let people = said
                    .iter()
                    .filter(|mentions| mentions.iter().any(|mention| mention.kind == kind && mention.seen == dress))
                    .count();
                assert!(people >= 2, "row {row}: {kind:?}");
            }
            assert!(said.iter().all(|mentions| (2..=MOST).contains(&mentions.len())), "row {row}");
        }
    }

    #[test]
    fn errors_are_rare() {
        let wrong = (0..5000)
            .filter(|row| {
                let mut dice = Dice::new(1, *row);
                let dress = choice::choose(&mut dice);
                plan(&dress, &mut dice).iter().flatten().any(|mention| mention.seen != dress)
            })
            .count();
        assert!((200..500).contains(&wrong), "{wrong}");
    }
}
