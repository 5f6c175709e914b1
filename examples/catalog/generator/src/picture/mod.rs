//! Draws a dress as an SVG file that shows its attributes at a glance.
//!
//! The dress is one group of outlines. It is filled several times, one over the other: with the colour, the pattern,
//! the fabric's texture, and a shading that makes it round.

mod figure;
mod outline;
mod paint;
mod pattern;
mod texture;
mod trim;

use crate::attributes::{Attributes, Colour, Fabric, Neckline, Sleeves};
use crate::grammar::{capitalised, with_articles};
use crate::shades::Shade;
use paint::Paint;

pub fn draw(dress: &Attributes, shade: &Shade) -> String {
    let paint = Paint::new(shade.rgb);
    let (defs, layers) = layers(dress, &paint);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 240 320\" role=\"img\">\n\
         <title>{title}</title>\n\
         <defs>\n<g id=\"d\">{outline}</g>\n{defs}{ROUND}</defs>\n\
         <rect width=\"240\" height=\"320\" fill=\"#ebe8e4\"/>\n\
         {figure}{layers}\
         <use href=\"#d\" fill=\"none\" stroke=\"{edge}\" stroke-width=\"1.4\" stroke-linejoin=\"round\"/>\n\
         {trim}</svg>\n",
        title = title(dress),
        outline = outline::outline(dress),
        figure = figure::FIGURE,
        edge = paint.edge,
        trim = trim::trim(dress, &paint),
    )
}

/// Darker at both sides: the body is round.
const ROUND: &str = "<linearGradient id=\"r\" x1=\"70\" x2=\"170\" gradientUnits=\"userSpaceOnUse\">\
    <stop stop-opacity=\".22\"/><stop offset=\".4\" stop-opacity=\"0\"/><stop offset=\".6\" stop-opacity=\"0\"/>\
    <stop offset=\"1\" stop-opacity=\".22\"/></linearGradient>\n";

/// The definitions that the fillings need, and the fillings.
fn layers(dress: &Attributes, paint: &Paint) -> (String, String) {
    let mut defs = String::new();
    let mut layers = format!("<use href=\"#d\" fill=\"{}\" fill-opacity=\"{}\"/>\n", paint.base, opacity(dress.fabric));
    let multicoloured = dress.colour == Colour::Multicoloured;
    if let Some(pattern) = pattern::pattern(dress.pattern, paint, multicoloured) {
        defs.push_str(&pattern);
        layers.push_str("<use href=\"#d\" fill=\"url(#p)\"/>\n");
    }
    if let Some(texture) = texture::texture(dress.fabric, paint) {
        defs.push_str(&texture);
        layers.push_str("<use href=\"#d\" fill=\"url(#t)\"/>\n");
    }
    layers.push_str("<use href=\"#d\" fill=\"url(#r)\"/>\n");
    (defs, layers)
}

/// Some fabrics let the figure show through.
fn opacity(fabric: Fabric) -> &'static str {
    match fabric {
        Fabric::Chiffon => ".84",
        Fabric::Tulle => ".86",
        Fabric::Lace => ".88",
        _ => "1",
    }
}

/// For people who do not see the picture.
fn title(dress: &Attributes) -> String {
    let sleeves = match dress.sleeves {
        Sleeves::Sleeveless => "without sleeves".to_string(),
        Sleeves::Straps => "with spaghetti straps".to_string(),
        other => format!("with {} sleeves", other.text()),
    };
    let neckline = match dress.neckline {
        Neckline::Halter => "halter neck".to_string(),
        other => format!("{} neckline", other.text()),
    };
    capitalised(&with_articles(&format!(
        "a {} dress in {}, {} pattern, {sleeves}, {neckline}, {} length, {} cut, for the occasion: {}",
        dress.colour.text(),
        dress.fabric.text(),
        dress.pattern.text(),
        dress.length.text(),
        dress.fit.text(),
        dress.occasion.text()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::{Fit, Length, Occasion, Pattern};
    use crate::shades;

    /// Every pair of values of neighbouring attributes, with the rest going round.
    fn dresses() -> impl Iterator<Item = Attributes> {
        (0..5760).map(|n: usize| Attributes {
            colour: Colour::ALL[n % 15],
            sleeves: Sleeves::ALL[n / 15 % 5],
            neckline: Neckline::ALL[n / 3 % 8],
            length: Length::ALL[n / 7 % 4],
            fit: Fit::ALL[n / 28 % 5],
            fabric: Fabric::ALL[n / 5 % 12],
            pattern: Pattern::ALL[n / 60 % 8],
            occasion: Occasion::ALL[n % 8],
        })
    }

    #[test]
    fn pictures_are_small_well_formed_and_self_contained() {
        for dress in dresses() {
            let svg = draw(&dress, &shades::shades(dress.colour)[0]);
            assert!(svg.len() < 4096, "{} bytes: {dress:?}", svg.len());
            let document = roxmltree::Document::parse(&svg).unwrap();
            let root = document.root_element();
            assert_eq!(root.attribute("viewBox"), Some("0 0 240 320"));
            assert!(root.descendants().any(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title"))));
            assert!(!svg.contains("<script") && !svg.contains("NaN"), "{dress:?}");
            for node in document.descendants() {
                for attribute in node.attributes() {
                    assert!(!attribute.value().contains("://"), "{attribute:?}");
                    if attribute.name() == "href" {
                        let id = attribute.value().strip_prefix('#').unwrap();
                        assert!(document.descendants().any(|node| node.attribute("id") == Some(id)), "{id}");
                    }
                }
            }
        }
    }

    #[test]
    fn each_attribute_changes_the_picture() {
        let dress = dresses().next().unwrap();
        let plain = draw(&dress, &shades::shades(Colour::White)[0]);
        let others = [
            Attributes { sleeves: Sleeves::Long, ..dress },
            Attributes { neckline: Neckline::V, ..dress },
            Attributes { length: Length::Maxi, ..dress },
            Attributes { fit: Fit::Wrap, ..dress },
            Attributes { fabric: Fabric::Satin, ..dress },
            Attributes { pattern: Pattern::Striped, ..dress },
        ];
        for other in others {
            let body = |svg: &str| svg.split_once("</title>").unwrap().1.to_string();
            assert_ne!(body(&draw(&other, &shades::shades(Colour::White)[0])), body(&plain), "{other:?}");
        }
    }

    #[test]
    fn the_title_describes_the_dress() {
        let dress = Attributes { colour: Colour::Orange, ..dresses().next().unwrap() };
        assert_eq!(
            title(&dress),
            "An orange dress in cotton, plain pattern, without sleeves, round neckline, mini length, A-line cut, \
             for the occasion: casual"
        );
    }
}
