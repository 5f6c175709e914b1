use super::Words;
use crate::attributes::Neckline;

pub fn words(neckline: Neckline) -> Words {
    match neckline {
        Neckline::Round => Words {
            adjectives: &["round-necked"],
            classifiers: &[],
            nouns: &["a round neckline", "a round neck", "a crew neck", "a rounded neckline"],
            verbs: &["has a round neckline", "is cut round at the neck", "has a plain round neck"],
            clauses: &[
                "the neckline is round",
                "the neck is a simple round one",
                "the neckline is gently rounded",
                "at the neck it is cut in a circle",
            ],
        },
        Neckline::V => Words {
            adjectives: &["V-necked"],
            classifiers: &[],
            nouns: &["a V-neck", "a V-neckline", "a V-shaped neckline", "a plunging neckline", "a pointed V in front"],
            verbs: &["has a V-neck", "is cut in a V at the front", "shows a V-shaped neckline"],
            clauses: &[
                "the neckline forms a V",
                "the neck is cut in a V",
                "the neckline plunges to a point",
                "the V at the neck is flattering",
            ],
        },
        Neckline::High => Words {
            adjectives: &["high-necked"],
            classifiers: &[],
            nouns: &["a high neck", "a high neckline", "a stand-up collar", "a close high collar", "a turtleneck"],
            verbs: &["closes high at the neck", "has a high neck", "covers the throat", "has a high collar"],
            clauses: &[
                "the collar comes up high",
                "the neck is closed right up to the chin",
                "the neckline is high",
                "the high collar hides the throat",
            ],
        },
        Neckline::Square => Words {
            adjectives: &["square-necked"],
            classifiers: &[],
            nouns: &["a square neckline", "a square neck", "a neckline cut square", "a squared-off neckline"],
            verbs: &["has a square neckline", "is cut square at the neck", "has a straight square neck"],
            clauses: &[
                "the neckline is square",
                "the neck is cut into a square",
                "the neckline has square corners",
                "at the top it is cut straight and square",
            ],
        },
        Neckline::Boat => Words {
            adjectives: &["boat-necked"],
            classifiers: &[],
            nouns: &[
                "a boat neck",
                "a wide boat neckline",
                "a bateau neckline",
                "a neckline from shoulder to shoulder",
            ],
            verbs: &["has a boat neckline", "has a wide boat neck", "has a neckline that shows the collarbones"],
            clauses: &[
                "the boat neckline is wide and shallow",
                "the neckline runs straight from shoulder to shoulder",
                "the boat neck shows the collarbones",
                "the neck is a boat neck",
            ],
        },
        Neckline::Cowl => Words {
            adjectives: &["cowl-necked"],
            classifiers: &[],
            nouns: &["a cowl neck", "a draped neckline", "a draped cowl neckline", "a waterfall neckline"],
            verbs: &["has a cowl neck", "drapes softly at the neck", "has a draped neckline"],
            clauses: &[
                "the neckline falls in soft folds",
                "the neck is draped like a cowl",
                "the cowl neck drapes nicely",
                "the neckline hangs in a loose drape",
            ],
        },
        Neckline::Halter => Words {
            adjectives: &["halterneck"],
            classifiers: &[],
            nouns: &["a halter neck", "a halterneck", "a halter top", "a band tied behind the neck"],
            verbs: &[
                "ties behind the neck",
                "has a halter neck",
                "fastens at the back of the neck",
                "has a halterneck top",
            ],
            clauses: &[
                "the top is a halterneck",
                "it is tied behind the neck",
                "the halter neck leaves the back free",
                "two bands meet behind the neck",
            ],
        },
        Neckline::OffShoulder => Words {
            adjectives: &["off-the-shoulder", "off-shoulder"],
            classifiers: &[],
            nouns: &[
                "bare shoulders",
                "an off-the-shoulder neckline",
                "a Bardot neckline",
                "a neckline below the shoulders",
            ],
            verbs: &["leaves the shoulders bare", "sits below the shoulders", "is worn off the shoulder"],
            clauses: &[
                "the shoulders are bare",
                "the neckline runs below the shoulders",
                "the top edge sits on the upper arms, off the shoulders",
                "it is cut off the shoulder",
            ],
        },
    }
}
