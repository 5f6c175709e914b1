use super::Words;
use crate::attributes::Length;

pub fn words(length: Length) -> Words {
    match length {
        Length::Mini => Words {
            adjectives: &["short", "very short", "thigh-length"],
            classifiers: &["mini"],
            nouns: &[
                "a short skirt",
                "a hem well above the knee",
                "a hem at mid-thigh",
                "a skirt that shows a lot of leg",
                "a mini length",
            ],
            verbs: &[
                "ends well above the knee",
                "stops at mid-thigh",
                "shows a lot of leg",
                "is quite short",
                "is mini length",
            ],
            clauses: &[
                "the hem is well above the knee",
                "the skirt is very short",
                "the hem stops at mid-thigh",
                "the skirt is a real mini",
            ],
        },
        Length::Knee => Words {
            adjectives: &["knee-length"],
            classifiers: &[],
            nouns: &[
                "a hem at the knee",
                "a knee-length skirt",
                "a hem that just touches the knee",
                "a skirt down to the knee",
            ],
            verbs: &[
                "ends at the knee",
                "reaches the knee",
                "goes down to the knees",
                "stops right at the knee",
                "is knee-length",
            ],
            clauses: &[
                "the hem is at the knee",
                "the skirt comes down to the knee",
                "the hem just covers the knees",
                "the length is right to the knee",
            ],
        },
        Length::Midi => Words {
            adjectives: &["calf-length", "mid-length"],
            classifiers: &["midi"],
            nouns: &[
                "a midi length",
                "a hem at mid-calf",
                "a calf-length skirt",
                "a skirt that ends below the knee",
                "a midi skirt",
            ],
            verbs: &[
                "ends at mid-calf",
                "reaches the middle of the calf",
                "is midi length",
                "falls to the calf",
                "ends well below the knee",
            ],
            clauses: &[
                "the hem falls to mid-calf",
                "the skirt is midi length",
                "the hem is somewhere below the knee",
                "the skirt reaches the calves",
            ],
        },
        Length::Maxi => Words {
            adjectives: &["floor-length", "ankle-length", "full-length", "long"],
            classifiers: &["maxi"],
            nouns: &[
                "a floor-length skirt",
                "a hem down to the ankles",
                "a skirt that sweeps the floor",
                "a long skirt",
                "a maxi length",
            ],
            verbs: &[
                "reaches the floor",
                "goes down to the ankles",
                "falls to the ground",
                "sweeps the floor",
                "is maxi length",
            ],
            clauses: &[
                "the hem reaches the floor",
                "the skirt goes all the way to the ankles",
                "the skirt is long enough to sweep the ground",
                "the length is a proper maxi",
            ],
        },
    }
}
