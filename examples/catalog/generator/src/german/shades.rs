//! What the colours and their shades are called.

use crate::attributes::Colour;
use crate::dice::Dice;
use crate::shades::{self, Shade};

/// A colour's name in the forms that sentences need.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// After "ist": "grün".
    pub plain: &'static str,
    /// Before a noun, if that is another word: "beig-", and "rosa", which takes no ending.
    attributive: Option<&'static str>,
    /// After "in", or after an article: "Grün".
    pub noun: &'static str,
}

const fn name(plain: &'static str, noun: &'static str) -> Name {
    Name { plain, attributive: None, noun }
}

const fn irregular(plain: &'static str, attributive: &'static str, noun: &'static str) -> Name {
    Name { plain, attributive: Some(attributive), noun }
}

impl Name {
    /// With a hyphen where the ending comes.
    pub fn attributive(&self) -> String {
        self.attributive.map_or_else(|| format!("{}-", self.plain), str::to_string)
    }
}

/// The names of a colour.
struct Names {
    /// What everybody calls it.
    common: &'static [Name],
    /// In the order of the shades that the pictures have.
    by_shade: &'static [&'static [Name]],
}

/// The plain name of the colour half of the time, else that of the shade.
pub fn choose(seen: Colour, colour: Colour, shade: &Shade, dice: &mut Dice) -> Name {
    // Who mistakes the colour knows nothing of the true one's shades.
    let right = seen == colour && seen != Colour::Multicoloured;
    let all = if right && dice.percent(50) { by_shade(colour, shade) } else { names(seen).common };
    dice.pick(all)
}

/// Whatever somebody may call this shade of the colour.
#[cfg(test)]
pub fn all_names(colour: Colour, shade: &Shade) -> impl Iterator<Item = &'static Name> {
    by_shade(colour, shade).iter().chain(names(colour).common)
}

fn by_shade(colour: Colour, shade: &Shade) -> &'static [Name] {
    let at = shades::shades(colour).iter().position(|other| std::ptr::eq(other, shade)).unwrap_or_default();
    names(colour).by_shade[at]
}

fn names(colour: Colour) -> &'static Names {
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

static WHITE: Names = Names {
    common: &[name("weiß", "Weiß")],
    by_shade: &[
        &[name("reinweiß", "Reinweiß")],
        &[name("schneeweiß", "Schneeweiß"), name("blütenweiß", "Blütenweiß")],
        &[name("elfenbeinfarben", "Elfenbein")],
        &[name("naturweiß", "Naturweiß")],
    ],
};

static BEIGE: Names = Names {
    common: &[irregular("beige", "beig-", "Beige")],
    by_shade: &[
        &[irregular("hellbeige", "hellbeig-", "Hellbeige")],
        &[name("sandfarben", "Sand"), irregular("sandbeige", "sandbeig-", "Sandbeige")],
        &[name("cremefarben", "Creme")],
        &[name("camelfarben", "Camel")],
        &[irregular("haferbeige", "haferbeig-", "Haferbeige")],
        &[name("champagnerfarben", "Champagner")],
    ],
};

static BROWN: Names = Names {
    common: &[name("braun", "Braun")],
    by_shade: &[
        &[name("dunkelbraun", "Dunkelbraun")],
        &[name("schokoladenbraun", "Schokoladenbraun"), name("schokobraun", "Schokobraun")],
        &[name("kastanienbraun", "Kastanienbraun")],
        &[name("haselnussbraun", "Haselnussbraun")],
        &[name("kaffeebraun", "Kaffeebraun")],
        &[name("zimtbraun", "Zimtbraun"), name("zimtfarben", "Zimt")],
    ],
};

static BLACK: Names = Names {
    common: &[name("schwarz", "Schwarz")],
    by_shade: &[
        &[name("tiefschwarz", "Tiefschwarz")],
        &[name("pechschwarz", "Pechschwarz"), name("rabenschwarz", "Rabenschwarz")],
    ],
};

static GREY: Names = Names {
    common: &[name("grau", "Grau")],
    by_shade: &[
        &[name("mittelgrau", "Mittelgrau")],
        &[irregular("anthrazit", "anthrazitfarben-", "Anthrazit"), name("anthrazitgrau", "Anthrazitgrau")],
        &[name("silbergrau", "Silbergrau")],
        &[name("hellgrau", "Hellgrau"), name("blassgrau", "Blassgrau")],
        &[name("schiefergrau", "Schiefergrau")],
        &[name("aschgrau", "Aschgrau")],
    ],
};

static NAVY: Names = Names {
    common: &[name("dunkelblau", "Dunkelblau"), name("marineblau", "Marineblau")],
    by_shade: &[
        &[name("nachtblau", "Nachtblau")],
        &[name("mitternachtsblau", "Mitternachtsblau")],
        &[name("tintenblau", "Tintenblau")],
    ],
};

static BLUE: Names = Names {
    common: &[name("blau", "Blau")],
    by_shade: &[
        &[name("knallblau", "Knallblau")],
        &[name("königsblau", "Königsblau"), name("royalblau", "Royalblau")],
        &[name("himmelblau", "Himmelblau")],
        &[name("kornblumenblau", "Kornblumenblau")],
        &[name("kobaltblau", "Kobaltblau")],
        &[name("hellblau", "Hellblau"), name("blassblau", "Blassblau"), name("babyblau", "Babyblau")],
        &[name("stahlblau", "Stahlblau")],
    ],
};

static TURQUOISE: Names = Names {
    common: &[irregular("türkis", "türkisfarben-", "Türkis")],
    by_shade: &[
        &[irregular("helltürkis", "helltürkisfarben-", "Helltürkis")],
        &[irregular("petrol", "petrolfarben-", "Petrol")],
        &[irregular("aquamarin", "aquamarinfarben-", "Aquamarin")],
        &[irregular("lagunentürkis", "lagunenfarben-", "Lagunentürkis")],
    ],
};

static GREEN: Names = Names {
    common: &[name("grün", "Grün")],
    by_shade: &[
        &[name("grasgrün", "Grasgrün")],
        &[name("smaragdgrün", "Smaragdgrün")],
        &[name("olivgrün", "Olivgrün"), irregular("oliv", "olivfarben-", "Oliv")],
        &[name("mintgrün", "Mintgrün"), irregular("mint", "mintfarben-", "Mint")],
        &[name("flaschengrün", "Flaschengrün"), name("dunkelgrün", "Dunkelgrün")],
        &[name("salbeigrün", "Salbeigrün")],
        &[name("moosgrün", "Moosgrün")],
        &[name("limettengrün", "Limettengrün")],
        &[name("apfelgrün", "Apfelgrün")],
    ],
};

static YELLOW: Names = Names {
    common: &[name("gelb", "Gelb")],
    by_shade: &[
        &[name("sonnengelb", "Sonnengelb")],
        &[name("zitronengelb", "Zitronengelb")],
        &[name("senfgelb", "Senfgelb"), name("senffarben", "Senf")],
        &[name("sonnenblumengelb", "Sonnenblumengelb")],
        &[name("blassgelb", "Blassgelb"), name("buttergelb", "Buttergelb")],
    ],
};

static ORANGE: Names = Names {
    common: &[irregular("orange", "orangefarben-", "Orange")],
    by_shade: &[
        &[irregular("knallorange", "knallorangefarben-", "Knallorange")],
        &[name("mandarinenfarben", "Mandarinenorange")],
        &[irregular("apricot", "apricotfarben-", "Apricot")],
        &[name("rostfarben", "Rostorange")],
        &[name("terrakottafarben", "Terrakotta")],
    ],
};

static RED: Names = Names {
    common: &[name("rot", "Rot")],
    by_shade: &[
        &[name("knallrot", "Knallrot")],
        &[name("karminrot", "Karminrot")],
        &[name("scharlachrot", "Scharlachrot")],
        &[name("weinrot", "Weinrot"), name("burgunderrot", "Burgunderrot"), name("bordeauxrot", "Bordeauxrot")],
        &[name("kirschrot", "Kirschrot")],
        &[name("rubinrot", "Rubinrot")],
    ],
};

static PINK: Names = Names {
    common: &[irregular("rosa", "rosa", "Rosa")],
    by_shade: &[
        &[irregular("knallrosa", "knallrosa", "Knallrosa")],
        &[irregular("rosé", "roséfarben-", "Rosé"), irregular("altrosa", "altrosa", "Altrosa")],
        &[irregular("pink", "pinkfarben-", "Pink"), name("fuchsiafarben", "Fuchsia")],
        &[irregular("hellrosa", "hellrosa", "Hellrosa"), irregular("zartrosa", "zartrosa", "Zartrosa")],
        &[irregular("puderrosa", "puderrosa", "Puderrosa")],
        &[irregular("lachsrosa", "lachsrosa", "Lachsrosa"), name("lachsfarben", "Lachs")],
    ],
};

static PURPLE: Names = Names {
    common: &[irregular("lila", "lila", "Lila")],
    by_shade: &[
        &[name("amethystfarben", "Amethyst")],
        &[name("violett", "Violett")],
        &[name("fliederfarben", "Flieder")],
        &[name("lavendelfarben", "Lavendel")],
        &[name("pflaumenfarben", "Pflaume")],
        &[name("auberginefarben", "Aubergine")],
    ],
};

static MULTICOLOURED: Names = Names {
    common: &[name("bunt", "Bunt"), name("mehrfarbig", "Mehrfarbig")],
    by_shade: &[
        &[name("vielfarbig", "Vielfarbig")],
        &[name("kunterbunt", "Kunterbunt")],
        &[name("farbenfroh", "Farbenfroh")],
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shade_has_names() {
        for colour in Colour::ALL {
            assert_eq!(names(*colour).by_shade.len(), shades::shades(*colour).len(), "{colour:?}");
        }
        assert_eq!(by_shade(Colour::White, &shades::shades(Colour::White)[2])[0].noun, "Elfenbein");
    }

    #[test]
    fn no_name_is_that_of_two_colours() {
        let all = |colour: &Colour| names(*colour).by_shade.iter().copied().flatten().chain(names(*colour).common);
        let mut all: Vec<&str> = Colour::ALL.iter().flat_map(all).flat_map(|name| [name.plain, name.noun]).collect();
        let total = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), total);
    }
}
