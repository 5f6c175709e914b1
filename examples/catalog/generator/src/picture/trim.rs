//! Seams, folds, straps and what else is drawn on top of the dress.

use super::outline::{MIDDLE, hem, spread, throat};
use super::paint::Paint;
use crate::attributes::{Attributes, Fabric, Fit, Neckline, Sleeves};

pub fn trim(dress: &Attributes, paint: &Paint) -> String {
    let mut lines = String::new();
    lines.push_str(&folds(dress));
    lines.push_str(&cut(dress, paint));
    lines.push_str(neckline(dress));
    let mut out = format!(
        "<g fill=\"none\" stroke=\"{}\" stroke-width=\"1.2\" stroke-linecap=\"round\">{lines}</g>\n",
        paint.line
    );
    out.push_str(&straps(dress, paint));
    out.push_str(&finish(dress, paint));
    out
}

/// The skirt falls in folds where it is wide, and most where the cloth is light.
fn folds(dress: &Attributes) -> String {
    let hem = hem(dress.length);
    let (top, narrow) = match dress.fit {
        Fit::Fitted => return String::new(),
        Fit::Loose => (150.0, 30.0),
        Fit::ALine | Fit::Wrap => (138.0, 20.0),
        Fit::Empire => (120.0, 24.0),
    };
    let places: &[f32] = match dress.fabric {
        Fabric::Tulle | Fabric::Chiffon => &[-0.8, -0.5, -0.25, 0.0, 0.25, 0.5, 0.8],
        _ if dress.fit == Fit::Loose => &[-0.5, 0.5],
        _ => &[-0.6, -0.2, 0.2, 0.6],
    };
    let wide = spread(dress.fit, dress.length);
    let lines: String = places
        .iter()
        .map(|place| {
            let length = 0.35 * (1.0 - place.abs()) * (hem - top);
            let share = length / (hem - top);
            let from = MIDDLE + place * (narrow + (wide - narrow) * share);
            format!("M{from:.0} {:.0}L{:.0} {:.0}", top + length, MIDDLE + place * wide, hem - 2.0)
        })
        .collect();
    format!("<path d=\"{lines}\" opacity=\".55\"/>")
}

/// What tells one cut from another.
fn cut(dress: &Attributes, paint: &Paint) -> String {
    match dress.fit {
        Fit::ALine => "<path d=\"M100 131q20 6 40 0\"/>".to_string(),
        Fit::Fitted => "<path d=\"M108 112q-2 18 1 36M132 112q2 18-1 36\" opacity=\".7\"/>".to_string(),
        Fit::Loose => String::new(),
        Fit::Wrap => {
            let hem = hem(dress.length);
            format!(
                "<g stroke-width=\"1.8\" fill=\"{}\"><path fill=\"none\" d=\"M120 {}L101 129M102 134Q124 164 130 {}\"/>\
                 <path d=\"M99.5 127q20 6 41 0v6q-21 6-41 0zM101 131l-13 11 9 1zM101 131l-4 24 9-3z\"/></g>",
                paint.base,
                throat(dress),
                hem + 6.0
            )
        }
        Fit::Empire => "<path d=\"M95.5 110q24 6 49 0M95.5 115q24 6 49 0\" stroke-width=\"1.6\"/>".to_string(),
    }
}

fn neckline(dress: &Attributes) -> &'static str {
    let sleeved = !matches!(dress.sleeves, Sleeves::Sleeveless | Sleeves::Straps);
    match dress.neckline {
        Neckline::Cowl => "<path d=\"M103 82q17 32 34 0M101 92q19 34 38 0M99 103q21 30 42 0\"/>",
        Neckline::High if dress.sleeves != Sleeves::Straps => "<path d=\"M110 57q10 4 20 0M109.5 62q10 4 21 0\"/>",
        Neckline::OffShoulder if !sleeved => "<path d=\"M86 95q12 8 34 8 22 0 34-8M100 93v7M120 94v7M140 93v7\"/>",
        Neckline::OffShoulder => {
            "<path d=\"M72 86q10 10 20 12 28 6 56 0 10-2 20-12M84 90l2 6M100 93v7M120 94v7M140 93v7M156 90l-2 6\"/>"
        }
        Neckline::Halter => "<path d=\"M110 57q10 5 20 0\" stroke-width=\"3\"/>",
        _ => "",
    }
}

/// Thin straps are lines: from the top of the dress over the shoulder.
fn straps(dress: &Attributes, paint: &Paint) -> String {
    if dress.sleeves != Sleeves::Straps || matches!(dress.neckline, Neckline::Halter) {
        return String::new();
    }
    let path =
        if dress.neckline == Neckline::OffShoulder { "M94 89l8-24M146 89l-8-24" } else { "M102 86l3-20M138 86l-3-20" };
    format!(
        "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"3.2\"/>\
         <path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"/>\n",
        paint.edge, paint.base
    )
}

/// The hem of lace is scalloped, denim has stitches and buttons, sequins sparkle, a knit has ribs.
fn finish(dress: &Attributes, paint: &Paint) -> String {
    let hem = hem(dress.length);
    let wide = spread(dress.fit, dress.length);
    let (left, right) = (MIDDLE - wide, MIDDLE + wide);
    let dip = if dress.fit == Fit::Fitted { 3.0 } else { 7.0 };
    // The line of the hem, shifted up; the curve is that of the outline.
    let parallel = |up: f32| {
        format!(
            "M{:.1} {:.1}Q{:.1} {:.1} {MIDDLE} {:.1}T{:.1} {:.1}",
            left + 1.0,
            hem - up,
            (left + MIDDLE) / 2.0,
            hem + dip - up,
            hem + dip - up,
            right - 1.0,
            hem - up
        )
    };
    match dress.fabric {
        Fabric::Lace => format!(
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"5\" stroke-linecap=\"round\" stroke-dasharray=\"0 5.5\"/>\n",
            parallel(-1.0),
            paint.line
        ),
        Fabric::Denim => format!(
            "<g fill=\"none\" stroke=\"#d99b3c\" stroke-dasharray=\"3 2\"><path d=\"{}\"/><path d=\"M117 110V{hem}\"/></g>\
             <path d=\"M121 112V{hem}\" stroke=\"#e0c08a\" stroke-width=\"3.4\" stroke-linecap=\"round\" stroke-dasharray=\"0 14\"/>\n",
            parallel(4.0)
        ),
        Fabric::Sequins => sparkles(dress),
        Fabric::WoolKnit => format!(
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"7\" stroke-dasharray=\"1.2 2.4\"/>\n",
            parallel(4.5),
            paint.line
        ),
        _ => String::new(),
    }
}

/// Stars of four rays, where the dress is sure to be.
fn sparkles(dress: &Attributes) -> String {
    const PLACES: [(f32, f32); 9] = [
        (-12.0, 0.1),
        (10.0, 0.22),
        (-4.0, 0.36),
        (14.0, 0.46),
        (-15.0, 0.56),
        (4.0, 0.66),
        (-9.0, 0.78),
        (16.0, 0.84),
        (-18.0, 0.92),
    ];
    let length = hem(dress.length) - 104.0;
    let stars: String = PLACES
        .iter()
        .map(|(x, share)| {
            format!("M{:.0} {:.0}l1.5 5 5 1.5-5 1.5-1.5 5-1.5-5-5-1.5 5-1.5z", MIDDLE + x, 100.0 + share * length)
        })
        .collect();
    format!("<path d=\"{}\" fill=\"#fff\"/>\n", stars)
}
