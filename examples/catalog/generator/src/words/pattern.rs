use super::Words;
use crate::attributes::{Fabric, Pattern};

pub fn words(pattern: Pattern, fabric: Fabric) -> Words {
    match pattern {
        Pattern::Plain => Words {
            adjectives: &["plain", "unpatterned"],
            classifiers: &[],
            nouns: &["no pattern", "no print at all", "no pattern whatsoever"],
            verbs: &["has no pattern", "is quite plain", "comes without any print", "is plain all over"],
            clauses: &[
                "there is no pattern",
                "there is no print on it",
                "it is plain all over",
                "the fabric is plain",
                "no pattern distracts from it",
            ],
        },
        Pattern::Striped => Words {
            adjectives: &["striped", "stripy"],
            classifiers: &[],
            nouns: &["stripes", "even stripes", "a striped pattern", "stripes all over"],
            verbs: &["is striped", "is striped all over", "shows a pattern of stripes"],
            clauses: &[
                "the pattern is stripes",
                "stripes run all over it",
                "the stripes are even",
                "it is striped throughout",
            ],
        },
        Pattern::Checked => Words {
            adjectives: &["checked", "chequered"],
            classifiers: &[],
            nouns: &["checks", "a check pattern", "a chequered pattern", "gingham checks"],
            verbs: &["is checked", "is checked all over", "shows a pattern of checks"],
            clauses: &["the pattern is a check", "the checks are regular", "it is checked like a tablecloth"],
        },
        Pattern::PolkaDots => Words {
            adjectives: &["polka-dot", "dotted", "spotted"],
            classifiers: &[],
            nouns: &["polka dots", "little dots", "dots all over", "a pattern of polka dots"],
            verbs: &["is covered in polka dots", "is dotted all over", "shows a pattern of dots"],
            clauses: &["the pattern is polka dots", "the dots are evenly spaced", "there are dots all over it"],
        },
        Pattern::Floral if matches!(fabric, Fabric::Lace | Fabric::Tulle | Fabric::Velvet) => Words {
            adjectives: &["floral", "flowery"],
            classifiers: &[],
            nouns: &["a floral pattern", "woven flowers", "a flower motif", "a pattern of blossoms"],
            verbs: &["shows a pattern of flowers", "is covered in flowers", "has a floral motif"],
            clauses: &["the pattern is flowers", "flowers are worked into it", "blossoms and leaves cover it"],
        },
        Pattern::Floral => Words {
            adjectives: &["floral", "flowery", "floral-print"],
            classifiers: &[],
            nouns: &["a floral print", "small flowers", "scattered flowers", "a pattern of blossoms", "a flower print"],
            verbs: &["is covered in flowers", "is printed with blossoms", "shows a floral print"],
            clauses: &[
                "the pattern is flowers",
                "flowers are scattered all over it",
                "the print shows blossoms and leaves",
                "little flowers cover it",
            ],
        },
        Pattern::Geometric => Words {
            adjectives: &["geometric"],
            classifiers: &[],
            nouns: &["a geometric pattern", "triangles and diamonds", "angular shapes", "geometric figures"],
            verbs: &["has a geometric pattern", "is covered in triangles and diamonds", "shows angular shapes"],
            clauses: &["the pattern is geometric", "triangles and diamonds cover it", "the pattern is all angles"],
        },
        Pattern::Paisley => Words {
            adjectives: &["paisley"],
            classifiers: &[],
            nouns: &["a paisley pattern", "a paisley print", "swirling teardrops", "paisley teardrops"],
            verbs: &["has a paisley pattern", "is printed with paisley", "is covered in swirling teardrops"],
            clauses: &["the pattern is paisley", "paisley teardrops swirl all over it", "the print is an old paisley"],
        },
        Pattern::AnimalPrint => Words {
            adjectives: &["leopard-print", "animal-print"],
            classifiers: &[],
            nouns: &["an animal print", "leopard spots", "a leopard print", "a wild-cat pattern"],
            verbs: &["has an animal print", "is spotted like a leopard", "shows a leopard pattern"],
            clauses: &["the pattern is an animal print", "the print is leopard", "it is spotted like a wild cat"],
        },
    }
}
