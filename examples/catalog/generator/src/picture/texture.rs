//! How the fabric takes the light: a gradient or pattern with the id "t".

use super::paint::Paint;
use crate::attributes::Fabric;

pub fn texture(fabric: Fabric, paint: &Paint) -> Option<String> {
    let line = if paint.is_dark { "#fff" } else { "#000" };
    Some(match fabric {
        Fabric::Cotton => return None,
        Fabric::Linen => woven(
            "7",
            &format!(
                "<path d=\"M0 1.5h7M0 5h5M2 0v7M5.5 1v6\" stroke=\"{line}\" stroke-width=\".5\" opacity=\".28\"/>"
            ),
        ),
        Fabric::Denim => {
            woven("4", "<path d=\"M-1 5l6-6M-1 1l2-2M3 5l2-2\" stroke=\"#fff\" stroke-width=\".8\" opacity=\".3\"/>")
        }
        Fabric::Jersey => {
            woven("3", &format!("<path d=\"M1.5 0v3\" stroke=\"{line}\" stroke-width=\".5\" opacity=\".16\"/>"))
        }
        Fabric::WoolKnit => woven(
            "6",
            &format!(
                "<path d=\"M0 0l3 3 3-3M0 3l3 3 3-3\" fill=\"none\" stroke=\"{line}\" stroke-width=\"1.1\" opacity=\".34\"/>"
            ),
        ),
        Fabric::Lace => woven(
            "12",
            &format!(
                "<path d=\"M0 6l6-6 6 6-6 6zM6 3v6M3 6h6\" fill=\"none\" stroke=\"{0}\" stroke-width=\".7\" opacity=\".5\"/>\
                 <circle r=\"1.6\" cx=\"6\" cy=\"6\" fill=\"{0}\" opacity=\".45\"/>",
                line
            ),
        ),
        Fabric::Tulle => woven(
            "4",
            &format!(
                "<path d=\"M0 2l2-2 2 2-2 2z\" fill=\"none\" stroke=\"{line}\" stroke-width=\".4\" opacity=\".28\"/>"
            ),
        ),
        Fabric::Sequins => woven(
            "8",
            "<circle cx=\"2\" cy=\"2\" r=\"1.9\" fill=\"#fff\" opacity=\".55\"/><circle cx=\"6\" cy=\"2\" r=\"1.9\" opacity=\".16\"/>\
             <circle cx=\"2\" cy=\"6\" r=\"1.9\" opacity=\".2\"/><circle cx=\"6\" cy=\"6\" r=\"1.9\" fill=\"#fff\" opacity=\".28\"/>",
        ),
        Fabric::Satin => sheen(&[".0", ".62", ".0", ".08", ".5", ".0", ".36", ".0"]),
        Fabric::Silk => sheen(&[".0", ".3", ".0", ".0", ".26", ".0"]),
        Fabric::Chiffon => sheen(&[".14", ".0", ".14", ".0", ".14", ".0", ".14"]),
        Fabric::Velvet => velvet(if paint.is_dark { ".5" } else { ".3" }),
    })
}

/// A small tile, repeated.
fn woven(size: &str, shapes: &str) -> String {
    format!("<pattern id=\"t\" width=\"{size}\" height=\"{size}\" patternUnits=\"userSpaceOnUse\">{shapes}</pattern>\n")
}

/// Bands of white light, slanted, as bright as the list says.
fn sheen(lights: &[&str]) -> String {
    let stops: String = lights
        .iter()
        .enumerate()
        .map(|(n, light)| {
            let offset = n as f32 / (lights.len() - 1) as f32;
            format!("<stop offset=\"{offset:.2}\" stop-color=\"#fff\" stop-opacity=\"{light}\"/>")
        })
        .collect();
    format!(
        "<linearGradient id=\"t\" x1=\"70\" y1=\"90\" x2=\"165\" y2=\"120\" gradientUnits=\"userSpaceOnUse\">{stops}</linearGradient>\n"
    )
}

/// Deep shadows at the sides, a soft light in between.
fn velvet(depth: &str) -> String {
    format!(
        "<linearGradient id=\"t\" x1=\"84\" x2=\"156\" spreadMethod=\"reflect\" gradientUnits=\"userSpaceOnUse\">\
         <stop stop-opacity=\"{depth}\"/><stop offset=\".3\" stop-color=\"#fff\" stop-opacity=\".2\"/>\
         <stop offset=\".55\" stop-opacity=\".22\"/><stop offset=\".75\" stop-color=\"#fff\" stop-opacity=\".16\"/>\
         <stop offset=\"1\" stop-opacity=\"{depth}\"/></linearGradient>\n"
    )
}
