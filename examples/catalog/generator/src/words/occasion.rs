use super::Words;
use crate::attributes::{Colour, Occasion};

pub fn words(occasion: Occasion, colour: Colour) -> Words {
    match occasion {
        Occasion::Casual => Words {
            adjectives: &["casual"],
            classifiers: &["everyday"],
            nouns: &["every day", "a casual weekend", "a stroll through town", "everyday wear", "a lazy Sunday"],
            verbs: &["is easy to wear every day", "is made for the weekend", "has a casual look"],
            clauses: &[
                "I would wear it every day",
                "it is a casual thing for the weekend",
                "it is simply something casual",
            ],
        },
        Occasion::Office => Words {
            adjectives: &["businesslike"],
            classifiers: &["office", "work", "business"],
            nouns: &["the office", "work", "business meetings", "a job interview", "a day at the office"],
            verbs: &["would suit the office", "is right for work", "looks businesslike"],
            clauses: &[
                "I would wear it to the office",
                "it would do for a job interview",
                "it is something for work",
                "it looks right for business meetings",
            ],
        },
        Occasion::Summer => Words {
            adjectives: &["summery"],
            classifiers: &["summer"],
            nouns: &["summer", "hot summer days", "a summer picnic", "a warm day in July", "sunny afternoons"],
            verbs: &["is made for summer", "is just right for hot days", "has summer written all over it"],
            clauses: &[
                "I would wear it in summer",
                "it is something for sunny days",
                "it makes me think of summer holidays",
                "it will be pleasant on a hot day",
            ],
        },
        Occasion::Beach => Words {
            adjectives: &[],
            classifiers: &["beach"],
            nouns: &[
                "the beach",
                "a beach holiday",
                "an afternoon by the sea",
                "a walk along the beach",
                "a day at the seaside",
            ],
            verbs: &["belongs on the beach", "is easy to throw on over a bikini", "is made for the seaside"],
            clauses: &[
                "I would pack it for the beach",
                "it is something to wear by the sea",
                "it would look good on a beach",
            ],
        },
        Occasion::Winter => Words {
            adjectives: &["wintry"],
            classifiers: &["winter"],
            nouns: &["winter", "cold days", "a cold January day", "frosty mornings", "the winter months"],
            verbs: &["keeps you warm in winter", "is made for cold days", "is right for winter"],
            clauses: &[
                "I would wear it in winter",
                "it should keep you warm on cold days",
                "it is something for frosty weather",
            ],
        },
        Occasion::Party => Words {
            adjectives: &[],
            classifiers: &["party", "cocktail"],
            nouns: &["a party", "a night out", "a birthday party", "cocktails with friends", "dancing all night"],
            verbs: &["is made for a party", "would be fun on a dance floor", "is right for a night out"],
            clauses: &[
                "I would wear it to a party",
                "it is something for a night out",
                "it would be the star of every party",
            ],
        },
        Occasion::Evening => Words {
            adjectives: &[],
            classifiers: &["evening"],
            nouns: &["the evening", "a night at the opera", "a gala dinner", "a ball", "a formal evening"],
            verbs: &["belongs at a ball", "is made for the evening", "would suit a gala"],
            clauses: &[
                "I would wear it to the opera",
                "it is something for a gala",
                "it belongs in the evening, by candlelight",
            ],
        },
        Occasion::Wedding if matches!(colour, Colour::White | Colour::Beige) => Words {
            adjectives: &["bridal"],
            classifiers: &["wedding"],
            nouns: &["a wedding", "a bride", "a church wedding", "the big day of a bride"],
            verbs: &["is made for a bride", "belongs at a wedding", "would suit a bride"],
            clauses: &["I would get married in it", "it must be a wedding dress", "a bride would look lovely in it"],
        },
        Occasion::Wedding => Words {
            adjectives: &[],
            classifiers: &["wedding"],
            nouns: &["a wedding", "a guest at a wedding", "a church wedding", "a bridesmaid"],
            verbs: &["would suit a wedding", "is right for a bridesmaid", "belongs at a wedding"],
            clauses: &[
                "I would wear it to a wedding",
                "a bridesmaid would look lovely in it",
                "it is something for a wedding",
            ],
        },
    }
}
