//! The dummy that wears the dress: it shows where the knee, the elbow and the shoulder are.

pub const FIGURE: &str = "<g fill=\"#cbc5c0\"><ellipse cx=\"120\" cy=\"306\" rx=\"44\" ry=\"5\" fill=\"#dcd7d1\"/>\
    <ellipse cx=\"120\" cy=\"31\" rx=\"13.5\" ry=\"17\"/>\
    <path d=\"M114 44v13q-3 7-24 11-7 2-7 10 6 12 13 24 5 14 6 29-10 16-10 36 0 26 8 62-1 12-1 24 4 22 7 40l-7 12q6 4 14 1\
    l2-14q3-20 3-40-1-12-2-24 3-24 4-46 1 22 4 46-1 12-2 24 0 20 3 40l2 14q8 3 14-1l-7-12q3-18 7-40 0-12-1-24 8-36 8-62 0-20\
    -10-36 1-15 6-29 7-12 13-24 0-8-7-10-21-4-24-11v-13z\"/>\
    <path d=\"M90 76L62 178l-2 8M150 76l28 102 2 8\" fill=\"none\" stroke=\"#cbc5c0\" stroke-width=\"12.5\" stroke-linecap=\"round\" \
    stroke-linejoin=\"round\"/></g>\n";
