//! Rounding of a row of weights: the error made at one input is taken up by the weights of those after it, as far as the
//! inputs go together (GPTQ, arXiv 2210.17323, in the form of LDLQ, arXiv 2307.13304).

/// What each weight of a block of inputs takes up of the errors before it.
pub struct Feedback {
    inputs: usize,
    /// A row for each input, of which the part after the diagonal is used.
    shares: Vec<f32>,
}

impl Feedback {
    /// `products` are the mean products of the inputs, a row for each one. With V D Vᵀ for them, V having ones on the diagonal
    /// and zeros below it, the shares are V's.
    pub fn new(inputs: usize, mut products: Vec<f64>) -> Self {
        for input in (0..inputs).rev() {
            let column: Vec<f64> = (0..input).map(|row| products[row * inputs + input]).collect();
            let diagonal = products[input * inputs + input];
            for row in 0..input {
                let share = column[row] / diagonal;
                for (x, y) in products[row * inputs..][row..input].iter_mut().zip(&column[row..]) {
                    *x -= share * y;
                }
                products[row * inputs + input] = share;
            }
        }
        Self { inputs, shares: products.into_iter().map(|share| share as f32).collect() }
    }

    /// Rounds one output's weights with `round`, which is told the input.
    pub fn round(&self, weights: &[f32], round: impl Fn(usize, f32) -> f32) -> Vec<f32> {
        let mut rounded = weights.to_vec();
        for input in 0..self.inputs {
            rounded[input] = round(input, rounded[input]);
            let error = weights[input] - rounded[input];
            let shares = &self.shares[input * self.inputs..][input + 1..self.inputs];
            for (x, share) in rounded[input + 1..].iter_mut().zip(shares) {
                *x += error * share;
            }
        }
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean square of the error of products with inputs that have these mean products.
    fn error(products: &[f64], weights: &[f32], rounded: &[f32]) -> f64 {
        let errors: Vec<f64> = weights.iter().zip(rounded).map(|(x, y)| f64::from(x - y)).collect();
        let rows = products.chunks_exact(errors.len()).zip(&errors);
        rows.map(|(row, x)| x * row.iter().zip(&errors).map(|(product, y)| product * y).sum::<f64>()).sum()
    }

    #[test]
    fn inputs_that_go_together_make_good_each_others_errors() {
        let weights: Vec<f32> = (0..40).map(|n| (n as f32).sin() * 9.0).collect();
        let round = |_, x: f32| x.round_ties_even();
        let plain: Vec<f32> = weights.iter().map(|x| round(0, *x)).collect();
        for together in [0.0, 0.5, 0.9, 0.99] {
            let product = |n: usize| if n / 40 == n % 40 { 1.0 } else { together };
            let products: Vec<f64> = (0..1600).map(product).collect();
            let rounded = Feedback::new(40, products.clone()).round(&weights, round);
            assert!(rounded.iter().all(|x| x.fract() == 0.0));
            let [new, old] = [&rounded, &plain].map(|rounded| error(&products, &weights, rounded));
            if together == 0.0 {
                assert_eq!(rounded, plain);
            } else {
                assert!(new < old, "{new} {old}");
            }
        }
    }

    #[test]
    fn the_shares_are_a_factor_of_the_products() {
        let products = vec![2.0, 1.0, 0.5, 1.0, 3.0, 1.5, 0.5, 1.5, 1.0];
        let Feedback { shares: v, .. } = Feedback::new(3, products.clone());
        let v = |row: usize, column: usize| match row.cmp(&column) {
            std::cmp::Ordering::Less => f64::from(v[row * 3 + column]),
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => 0.0,
        };
        // V D Vᵀ from its last diagonal element on.
        let d2 = products[8];
        let d1 = products[4] - v(1, 2).powi(2) * d2;
        let d0 = products[0] - v(0, 1).powi(2) * d1 - v(0, 2).powi(2) * d2;
        let d = [d0, d1, d2];
        for row in 0..3 {
            for column in 0..3 {
                let found: f64 = (0..3).map(|n| v(row, n) * d[n] * v(column, n)).sum();
                assert!((found - products[row * 3 + column]).abs() < 1e-6);
            }
        }
    }
}
