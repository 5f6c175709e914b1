//! The pattern on the fabric, as an SVG pattern with the id "p".

use super::paint::Paint;
use crate::attributes::Pattern;

/// For a dress of many colours, these in turn; else the contrasting colours of the dress.
const MANY: [&str; 4] = ["#d9443f", "#2a78b8", "#e8a713", "#3f9156"];

pub fn pattern(pattern: Pattern, paint: &Paint, multicoloured: bool) -> Option<String> {
    let (contrast, accent) = (paint.contrast.as_str(), paint.accent.as_str());
    let c = if multicoloured { MANY } else { [contrast, accent, contrast, accent] };
    let (size, shapes) = match pattern {
        Pattern::Plain => return None,
        Pattern::Striped => ((22, 22), striped(c, multicoloured)),
        Pattern::Checked => ((16, 16), checked(c)),
        Pattern::PolkaDots => ((18, 18), dots(c)),
        Pattern::Floral => ((34, 34), floral(c)),
        Pattern::Geometric => ((28, 28), geometric(c)),
        Pattern::Paisley => ((32, 34), paisley(c)),
        Pattern::AnimalPrint => ((30, 28), animal(c)),
    };
    let (width, height) = size;
    Some(format!(
        "<pattern id=\"p\" width=\"{width}\" height=\"{height}\" patternUnits=\"userSpaceOnUse\" x=\"3\">{shapes}</pattern>\n"
    ))
}

fn striped(c: [&str; 4], multicoloured: bool) -> String {
    if !multicoloured {
        return format!("<path d=\"M0 2.5h22M0 13.5h22\" stroke=\"{}\" stroke-width=\"4.2\"/>", c[0]);
    }
    (0..4)
        .map(|n| format!("<path d=\"M0 {}h22\" stroke=\"{}\" stroke-width=\"4.4\"/>", 2.5 + 5.5 * n as f32, c[n]))
        .collect()
}

fn checked(c: [&str; 4]) -> String {
    format!(
        "<path d=\"M0 4h16\" stroke=\"{}\" stroke-width=\"8\" opacity=\".5\"/>\
         <path d=\"M4 0v16\" stroke=\"{}\" stroke-width=\"8\" opacity=\".5\"/>",
        c[0], c[2]
    )
}

fn dots(c: [&str; 4]) -> String {
    format!(
        "<circle cx=\"4.5\" cy=\"4.5\" r=\"2.9\" fill=\"{}\"/><circle cx=\"13.5\" cy=\"13.5\" r=\"2.9\" fill=\"{}\"/>",
        c[0], c[2]
    )
}

fn floral(c: [&str; 4]) -> String {
    let flower = |x: u32, y: u32, scale: &str, colour: &str| {
        format!(
            "<g transform=\"translate({x} {y}) scale({scale})\" fill=\"{colour}\"><circle cy=\"-3.5\" r=\"2.8\"/>\
             <circle cx=\"3.3\" cy=\"-1\" r=\"2.8\"/><circle cx=\"2\" cy=\"2.8\" r=\"2.8\"/><circle cx=\"-2\" cy=\"2.8\" r=\"2.8\"/>\
             <circle cx=\"-3.3\" cy=\"-1\" r=\"2.8\"/><circle r=\"1.9\" fill=\"#f2c230\"/></g>"
        )
    };
    format!(
        "<path d=\"M14 16q6 0 8 5-6 0-8-5M20 1q-5 1-6 6 6-1 6-6M2 19q0 5 4 7 1-5-4-7\" fill=\"#5f8f5a\"/>{}{}{}",
        flower(8, 9, "1", c[0]),
        flower(26, 26, "1", c[1]),
        flower(25, 8, ".6", c[3])
    )
}

fn geometric(c: [&str; 4]) -> String {
    format!(
        "<path d=\"M2 12l6-10 6 10z\" fill=\"{}\"/><path d=\"M21 1l6 7-6 7-6-7z\" fill=\"{}\"/>\
         <path d=\"M16 26l5.5-9 5.5 9z\" fill=\"{}\"/><path d=\"M8 15l5 6.5-5 6.5-5-6.5z\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
        c[0], c[1], c[2], c[3]
    )
}

fn paisley(c: [&str; 4]) -> String {
    let drop = |place: &str, outer: &str, inner: &str| {
        format!(
            "<g transform=\"{place}\"><path d=\"M0-8q7 2 6 9t-7 6-5-7q2-5 7-3-3-2-1-5z\" fill=\"{outer}\"/>\
             <circle cy=\"1.5\" r=\"2.3\" fill=\"{inner}\"/></g>"
        )
    };
    format!(
        "{}{}<circle cx=\"24\" cy=\"6\" r=\"1.5\" fill=\"{}\"/><circle cx=\"7\" cy=\"26\" r=\"1.5\" fill=\"{}\"/>",
        drop("translate(8 11)", c[0], c[1]),
        drop("translate(23 24) rotate(160)", c[2], c[3]),
        c[3],
        c[1]
    )
}

/// The spots of a leopard: broken rings.
fn animal(c: [&str; 4]) -> String {
    format!(
        "<g fill=\"{}\" stroke=\"{}\" stroke-width=\"2.4\" stroke-linecap=\"round\" stroke-dasharray=\"7 3\">\
         <path d=\"M4 5q4-4 8 0t-2 6-7-1zM19 3q5-2 7 2t-4 5-5-4zM12 18q4-3 7 1t-3 6-6-3zM1 20q3-2 5 1t-3 4-4-2z\
         M24 18q3-1 4 2t-3 3-3-3z\"/></g>",
        c[1], c[0]
    )
}
