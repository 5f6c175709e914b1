use super::Words;
use crate::attributes::Sleeves;

pub fn words(sleeves: Sleeves) -> Words {
    match sleeves {
        Sleeves::Sleeveless => Words {
            adjectives: &["sleeveless"],
            classifiers: &[],
            nouns: &["no sleeves", "bare arms", "no sleeves at all", "wide armholes"],
            verbs: &[
                "has no sleeves",
                "leaves the arms bare",
                "comes without sleeves",
                "is sleeveless",
                "does without sleeves",
            ],
            clauses: &[
                "there are no sleeves",
                "the arms stay bare",
                "the arms are left free",
                "sleeves are missing altogether",
                "the top is sleeveless",
            ],
        },
        Sleeves::Straps => Words {
            adjectives: &["strappy"],
            classifiers: &[],
            nouns: &[
                "spaghetti straps",
                "thin straps",
                "narrow shoulder straps",
                "delicate straps",
                "straps hardly wider than a shoelace",
            ],
            verbs: &[
                "has spaghetti straps",
                "is held up by thin straps",
                "hangs from narrow straps",
                "only has fine straps over the shoulders",
            ],
            clauses: &[
                "two thin straps hold it up",
                "the straps are very narrow",
                "there are spaghetti straps instead of sleeves",
                "the straps are as thin as string",
            ],
        },
        Sleeves::Short => Words {
            adjectives: &["short-sleeved"],
            classifiers: &[],
            nouns: &["short sleeves", "little sleeves", "sleeves that end above the elbow", "short cuffed sleeves"],
            verbs: &["has short sleeves", "comes with short sleeves", "has sleeves like a T-shirt"],
            clauses: &[
                "the sleeves are short",
                "the sleeves end above the elbow",
                "the short sleeves only cover the upper arms",
                "the sleeves are no longer than those of a T-shirt",
            ],
        },
        Sleeves::ThreeQuarter => Words {
            adjectives: &[],
            classifiers: &[],
            nouns: &[
                "three-quarter sleeves",
                "three-quarter-length sleeves",
                "sleeves that stop below the elbow",
                "cropped sleeves",
                "sleeves a little past the elbow",
            ],
            verbs: &[
                "has three-quarter sleeves",
                "has sleeves that cover the elbows",
                "comes with three-quarter-length sleeves",
                "has sleeves to the middle of the forearm",
            ],
            clauses: &[
                "the sleeves are three-quarter length",
                "the sleeves stop just below the elbow",
                "the sleeves leave the wrists free",
                "the sleeves reach the middle of the forearm",
            ],
        },
        Sleeves::Long => Words {
            adjectives: &["long-sleeved"],
            classifiers: &[],
            nouns: &[
                "long sleeves",
                "full-length sleeves",
                "sleeves down to the wrists",
                "long narrow sleeves",
                "sleeves that cover the whole arm",
            ],
            verbs: &[
                "has long sleeves",
                "covers the arms completely",
                "comes with long sleeves",
                "has sleeves that reach the wrists",
            ],
            clauses: &[
                "the sleeves are long",
                "the arms are fully covered",
                "the sleeves go down to the wrists",
                "the long sleeves end at the hand",
            ],
        },
    }
}
