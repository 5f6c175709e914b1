use super::Words;
use crate::attributes::Fit;

pub fn words(fit: Fit) -> Words {
    match fit {
        Fit::ALine => Words {
            adjectives: &["flared"],
            classifiers: &["A-line"],
            nouns: &["a flared skirt", "an A-line skirt", "a wide swinging skirt", "a full skirt", "an A-line cut"],
            verbs: &[
                "flares out from the waist",
                "widens towards the hem",
                "swings out below the waist",
                "is cut in an A-line",
                "flares below a narrow waist",
            ],
            clauses: &[
                "the skirt flares out from the waist",
                "the skirt widens towards the hem",
                "the shape is an A-line",
                "the skirt swings out from a narrow waist",
                "the cut is A-line",
            ],
        },
        Fit::Fitted => Words {
            adjectives: &["close-fitting", "fitted", "figure-hugging", "slim", "tight"],
            classifiers: &["sheath", "bodycon"],
            nouns: &["a slim cut", "a figure-hugging shape", "a narrow silhouette", "a close fit", "a tight fit"],
            verbs: &[
                "hugs the figure",
                "follows the lines of the body",
                "clings to the hips",
                "is cut close to the body",
                "fits tightly",
            ],
            clauses: &[
                "the cut is slim",
                "the fit is tight",
                "it follows the curves of the body",
                "the shape is narrow and close-fitting",
                "it hugs the hips",
            ],
        },
        Fit::Loose => Words {
            adjectives: &["loose", "loose-fitting", "roomy", "relaxed", "oversized"],
            classifiers: &[],
            nouns: &["a loose fit", "a relaxed cut", "plenty of room", "a roomy cut", "a loose straight shape"],
            verbs: &[
                "falls loosely",
                "is cut wide",
                "does not cling anywhere",
                "leaves plenty of room",
                "has no waist to speak of",
            ],
            clauses: &[
                "the cut is loose",
                "there is plenty of room in it",
                "the shape is wide and relaxed",
                "it hangs loosely",
                "nothing about it is tight",
            ],
        },
        Fit::Wrap => Words {
            adjectives: &[],
            classifiers: &["wrap", "wrap-over", "wrap-style"],
            nouns: &[
                "a wrap front",
                "a crossover front",
                "a tie at the waist",
                "a wrapped bodice",
                "a front that crosses over",
            ],
            verbs: &[
                "wraps round the body",
                "crosses over at the front",
                "is tied at the side",
                "wraps over the front",
                "is cut as a wrap",
            ],
            clauses: &[
                "the front is wrapped",
                "the front crosses over",
                "it is wrapped and held by a tie",
                "the two halves wrap over each other",
            ],
        },
        Fit::Empire => Words {
            adjectives: &["high-waisted"],
            classifiers: &["empire-line", "empire"],
            nouns: &["an empire waist", "a high waist", "a seam just under the bust", "an empire line"],
            verbs: &[
                "is gathered under the bust",
                "falls freely from below the bust",
                "has its waist just under the bust",
                "is high-waisted",
            ],
            clauses: &[
                "the waist is high, right under the bust",
                "the seam sits just below the bust",
                "the empire line is flattering",
                "the waist is an empire one",
            ],
        },
    }
}
