use super::Words;
use crate::attributes::Fabric;

pub fn words(fabric: Fabric) -> Words {
    match fabric {
        Fabric::Cotton => Words {
            adjectives: &["cotton"],
            classifiers: &[],
            nouns: &["cotton", "light cotton", "crisp cotton", "soft cotton"],
            verbs: &["is made of cotton", "looks like cotton", "seems to be cotton"],
            clauses: &["the material is cotton", "the cotton looks crisp", "I think it is cotton"],
        },
        Fabric::Linen => Words {
            adjectives: &["linen"],
            classifiers: &[],
            nouns: &["linen", "cool linen", "washed linen", "slightly creased linen"],
            verbs: &["is made of linen", "creases the way linen does", "looks like linen"],
            clauses: &["the material is linen", "the linen looks cool and airy", "it must be linen"],
        },
        Fabric::Denim => Words {
            adjectives: &["denim"],
            classifiers: &[],
            nouns: &["denim", "sturdy denim", "washed denim", "jeans fabric"],
            verbs: &["is made of denim", "looks like a pair of jeans", "shows the stitching of denim"],
            clauses: &["the material is denim", "the denim looks sturdy", "it is made from jeans fabric"],
        },
        Fabric::Jersey => Words {
            adjectives: &["jersey"],
            classifiers: &[],
            nouns: &["jersey", "soft jersey", "stretchy jersey", "smooth jersey"],
            verbs: &["is made of jersey", "feels like soft jersey", "looks like stretchy jersey"],
            clauses: &["the material is jersey", "the jersey is soft and stretchy", "I would say it is jersey"],
        },
        Fabric::WoolKnit => Words {
            adjectives: &["knitted", "woollen", "wool"],
            classifiers: &[],
            nouns: &["wool", "warm wool", "soft wool knit", "thick knitwear", "ribbed wool", "fine-knit wool"],
            verbs: &["is knitted", "is made of wool", "looks like a long jumper", "is knitted from warm wool"],
            clauses: &[
                "the material is wool",
                "the wool looks warm",
                "it is knitted like a jumper",
                "the knit is thick and soft",
            ],
        },
        Fabric::Velvet => Words {
            adjectives: &["velvet"],
            classifiers: &[],
            nouns: &["velvet", "soft velvet", "rich velvet", "heavy velvet"],
            verbs: &["is made of velvet", "shimmers as only velvet does", "looks like soft velvet"],
            clauses: &["the material is velvet", "the velvet looks rich and deep", "the velvet begs to be stroked"],
        },
        Fabric::Satin => Words {
            adjectives: &["satin"],
            classifiers: &[],
            nouns: &["satin", "shiny satin", "smooth satin", "glossy satin"],
            verbs: &["is made of satin", "has the shine of satin", "gleams like satin"],
            clauses: &["the material is satin", "the satin shines", "the satin catches the light"],
        },
        Fabric::Silk => Words {
            adjectives: &["silk", "silky"],
            classifiers: &[],
            nouns: &["silk", "fine silk", "flowing silk", "thin silk"],
            verbs: &["is made of silk", "flows like silk", "looks like fine silk"],
            clauses: &["the material is silk", "the silk flows beautifully", "it could well be silk"],
        },
        Fabric::Chiffon => Words {
            adjectives: &["chiffon"],
            classifiers: &[],
            nouns: &["chiffon", "light chiffon", "floaty chiffon", "sheer chiffon"],
            verbs: &["is made of chiffon", "floats the way chiffon does", "looks like airy chiffon"],
            clauses: &[
                "the material is chiffon",
                "the chiffon is light and a little sheer",
                "the chiffon floats with every step",
            ],
        },
        Fabric::Lace => Words {
            adjectives: &["lace", "lacy"],
            classifiers: &[],
            nouns: &["lace", "delicate lace", "fine lace", "lace over a lining"],
            verbs: &["is made of lace", "is covered in lace", "looks like fine lace"],
            clauses: &["the material is lace", "the lace is delicate", "the lace lets a little skin show through"],
        },
        Fabric::Tulle => Words {
            adjectives: &["tulle"],
            classifiers: &[],
            nouns: &["tulle", "layers of tulle", "soft tulle", "airy tulle"],
            verbs: &["is made of tulle", "has layer upon layer of tulle", "looks like a ballet dress of tulle"],
            clauses: &["the material is tulle", "the tulle lies in several layers", "the tulle is light as air"],
        },
        Fabric::Sequins => Words {
            adjectives: &["sequinned", "sequin"],
            classifiers: &[],
            nouns: &["sequins", "glittering sequins", "tiny sequins", "sparkling sequins"],
            verbs: &["is covered in sequins", "glitters with sequins", "sparkles with tiny sequins"],
            clauses: &["sequins sparkle all over it", "the sequins glitter", "thousands of sequins catch the light"],
        },
    }
}
