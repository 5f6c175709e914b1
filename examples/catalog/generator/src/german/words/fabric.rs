use super::Words;
use crate::attributes::Fabric;

pub fn words(fabric: Fabric) -> Words {
    match fabric {
        Fabric::Cotton => Words {
            adjectives: &[],
            compounds: &["Baumwoll"],
            nouns: &["die Baumwolle", "die leicht- Baumwolle", "die fest- Baumwolle", "die weich- Baumwolle"],
            verbs: &["ist|aus Baumwolle", "besteht|aus Baumwolle", "sieht|nach Baumwolle|aus"],
            clauses: &["das Material ist Baumwolle", "die Baumwolle wirkt frisch", "ich halte es für Baumwolle"],
        },
        Fabric::Linen => Words {
            adjectives: &[],
            compounds: &["Leinen"],
            nouns: &["das Leinen", "das kühl- Leinen", "das gewaschen- Leinen", "das leicht geknittert- Leinen"],
            verbs: &["ist|aus Leinen", "knittert|wie Leinen", "sieht|nach Leinen|aus"],
            clauses: &["das Material ist Leinen", "das Leinen wirkt kühl und luftig", "es muss Leinen sein"],
        },
        Fabric::Denim => Words {
            adjectives: &[],
            compounds: &["Jeans"],
            nouns: &["der Denim", "der fest- Denim", "der gewaschen- Denim", "der Jeansstoff"],
            verbs: &["ist|aus Denim", "sieht|wie eine Jeans|aus", "zeigt|die Nähte einer Jeans"],
            clauses: &["das Material ist Denim", "der Denim wirkt robust", "es ist aus Jeansstoff"],
        },
        Fabric::Jersey => Words {
            adjectives: &[],
            compounds: &["Jersey"],
            nouns: &["der Jersey", "der weich- Jersey", "der dehnbar- Jersey", "der glatt- Jersey"],
            verbs: &["ist|aus Jersey", "wirkt|wie weicher Jersey", "sieht|nach dehnbarem Jersey|aus"],
            clauses: &["das Material ist Jersey", "der Jersey ist weich und dehnbar", "ich tippe auf Jersey"],
        },
        Fabric::WoolKnit => Words {
            adjectives: &["gestrickt-", "wollen-"],
            compounds: &["Strick", "Woll"],
            nouns: &[
                "die Wolle",
                "die warm- Wolle",
                "der weich- Wollstrick",
                "der dick- Strick",
                "die gerippt- Wolle",
                "der wollen- Feinstrick",
            ],
            verbs: &[
                "ist|gestrickt",
                "ist|aus Wolle",
                "sieht|wie ein langer Pullover|aus",
                "ist|aus warmer Wolle gestrickt",
            ],
            clauses: &[
                "das Material ist Wolle",
                "die Wolle wirkt warm",
                "es ist wie ein Pullover gestrickt",
                "der Strick ist dick und weich",
            ],
        },
        Fabric::Velvet => Words {
            adjectives: &[],
            compounds: &["Samt"],
            nouns: &["der Samt", "der weich- Samt", "der edl- Samt", "der schwer- Samt"],
            verbs: &["ist|aus Samt", "schimmert|wie nur Samt", "sieht|nach weichem Samt|aus"],
            clauses: &["das Material ist Samt", "der Samt wirkt edel", "über den Samt möchte man streichen"],
        },
        Fabric::Satin => Words {
            adjectives: &[],
            compounds: &["Satin"],
            nouns: &["der Satin", "der glänzend- Satin", "der glatt- Satin", "der schimmernd- Satin"],
            verbs: &["ist|aus Satin", "hat|den Glanz von Satin", "glänzt|wie Satin"],
            clauses: &["das Material ist Satin", "der Satin glänzt", "der Satin fängt das Licht ein"],
        },
        Fabric::Silk => Words {
            adjectives: &["seiden-"],
            compounds: &["Seiden"],
            nouns: &["die Seide", "die fein- Seide", "die fließend- Seide", "die dünn- Seide"],
            verbs: &["ist|aus Seide", "fließt|wie Seide", "sieht|nach feiner Seide|aus"],
            clauses: &["das Material ist Seide", "die Seide fließt wunderschön", "es könnte Seide sein"],
        },
        Fabric::Chiffon => Words {
            adjectives: &[],
            compounds: &["Chiffon"],
            nouns: &["der Chiffon", "der leicht- Chiffon", "der luftig- Chiffon", "der durchscheinend- Chiffon"],
            verbs: &["ist|aus Chiffon", "schwebt|wie Chiffon", "sieht|nach luftigem Chiffon|aus"],
            clauses: &[
                "das Material ist Chiffon",
                "der Chiffon ist leicht und ein wenig durchsichtig",
                "der Chiffon schwebt bei jedem Schritt",
            ],
        },
        Fabric::Lace => Words {
            adjectives: &[],
            compounds: &["Spitzen"],
            nouns: &["die Spitze", "die zart- Spitze", "die fein- Spitze", "die Spitze über einem Futter"],
            verbs: &["ist|aus Spitze", "ist|mit Spitze überzogen", "sieht|nach feiner Spitze|aus"],
            clauses: &["das Material ist Spitze", "die Spitze ist zart", "die Spitze lässt etwas Haut durchscheinen"],
        },
        Fabric::Tulle => Words {
            adjectives: &[],
            compounds: &["Tüll"],
            nouns: &["der Tüll", "plural mehrer- Lagen Tüll", "der weich- Tüll", "der luftig- Tüll"],
            verbs: &["ist|aus Tüll", "hat|Lage um Lage Tüll", "sieht|wie ein Ballettkleid aus Tüll|aus"],
            clauses: &["das Material ist Tüll", "der Tüll liegt in mehreren Lagen", "der Tüll ist leicht wie Luft"],
        },
        Fabric::Sequins => Words {
            adjectives: &["paillettenbesetzt-"],
            compounds: &["Pailletten"],
            nouns: &[
                "plural Pailletten",
                "plural glitzernd- Pailletten",
                "plural winzig- Pailletten",
                "plural funkelnd- Pailletten",
            ],
            verbs: &["ist|mit Pailletten besetzt", "glitzert|vor Pailletten", "funkelt|vor winzigen Pailletten"],
            clauses: &[
                "überall funkeln Pailletten",
                "die Pailletten glitzern",
                "tausende Pailletten fangen das Licht ein",
            ],
        },
    }
}
