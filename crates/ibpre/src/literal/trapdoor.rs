//! The gadget trapdoor of MP12 and its preimage sampler.
//!
//! A·\[R; I\] = G for a short secret R, where G = I ⊗ (1, 2, 4, .., 2^(k−1)). Preimages of G are
//! easy; R carries them over to A, and a perturbation p hides R in the result.

use rand_core::Rng;

use super::gaussian::{self, cholesky, dot};
use super::matrix::{Matrix, add};
use super::parameters::Parameters;

/// R, and what sampling with it needs.
pub(super) struct Trapdoor {
    parameters: Parameters,
    /// m̄ rows of w short entries.
    r: Vec<Vec<i16>>,
    /// L·L^T = the covariance of p1 given p2, less η².
    root: Vec<Vec<f64>>,
    gadget: Gadget,
}

impl Trapdoor {
    /// MP12, algorithm 1 (GenTrap) with H = I: A = \[Ā | G − Ā·R\], Ā = \[I | Â\].
    pub(super) fn generate(parameters: Parameters, rng: &mut impl Rng) -> (Matrix, Self) {
        let (n, q) = (parameters.n, parameters.q);
        let a_hat = Matrix::uniform(q, n, n, rng);
        loop {
            let r = short_matrix(&parameters, rng);
            // Not positive definite: R came out longer than the bound in `sigma_key`, once in e^18.
            let Some(root) = conditional_root(&parameters, &r) else {
                continue;
            };
            let a = Matrix::from_rows(
                q,
                parameters.m(),
                a_hat
                    .rows()
                    .enumerate()
                    .map(|(i, a_hat)| row_of_a(&parameters, i, a_hat, &r)),
            );
            let gadget = Gadget::new(&parameters);
            let trapdoor = Self {
                parameters,
                r,
                root,
                gadget,
            };
            return (a, trapdoor);
        }
    }

    /// MP12, algorithm 3 (SampleD): e of width σ_e with A·e = u, e = p + \[R; I\]·z and G·z = u − A·p.
    pub(super) fn preimage(&self, a: &Matrix, u: &[u32], rng: &mut impl Rng) -> Vec<i32> {
        let q = self.parameters.q;
        let mut e = self.perturbation(rng);
        let ap = a.times_short(&e);
        let z: Vec<i32> = u
            .iter()
            .zip(&ap)
            .flat_map(|(&u, &ap)| self.gadget.preimage(add(q, u, -i64::from(ap)), rng))
            .collect();
        let (top, bottom) = e.split_at_mut(self.parameters.m_bar());
        for (e, r) in top.iter_mut().zip(&self.r) {
            *e += times(r, &z) as i32;
        }
        for (e, z) in bottom.iter_mut().zip(&z) {
            *e += z;
        }
        e
    }

    /// p, Gaussian with covariance σ_e²·I − σ_g²·\[R; I\]·\[R^T I\]: what \[R; I\]·z lacks of a sphere.
    ///
    /// p2 comes first, with its own covariance (σ_e² − σ_g²)·I; given p2, p1 has the mean
    /// −σ_g²/(σ_e² − σ_g²)·R·p2 and the covariance whose root is `root`.
    fn perturbation(&self, rng: &mut impl Rng) -> Vec<i32> {
        let (gadget, key) = (
            self.parameters.sigma_gadget().powi(2),
            self.parameters.sigma_key().powi(2),
        );
        let p2: Vec<i32> = (0..self.parameters.w())
            .map(|_| gaussian::integer(0.0, (key - gadget).sqrt(), rng) as i32)
            .collect();
        let normals: Vec<f64> = self.root.iter().map(|_| gaussian::normal(rng)).collect();
        let mut p: Vec<i32> = self
            .r
            .iter()
            .zip(&self.root)
            .enumerate()
            .map(|(i, (r, root))| {
                let mean = -gadget / (key - gadget) * times(r, &p2) as f64;
                let centre = mean + dot(&root[..=i], &normals[..=i]);
                gaussian::integer(centre, self.parameters.eta(), rng) as i32
            })
            .collect();
        p.extend(p2);
        p
    }

    /// R, for tests and attacks that ask whether keys show it.
    #[cfg(test)]
    pub(super) fn r(&self) -> &[Vec<i16>] {
        &self.r
    }
}

/// m̄ rows of w entries of width σ, |entry| ≤ 32.
fn short_matrix(parameters: &Parameters, rng: &mut impl Rng) -> Vec<Vec<i16>> {
    let table = gaussian::Centred::new(Parameters::SIGMA);
    (0..parameters.m_bar())
        .map(|_| {
            (0..parameters.w())
                .map(|_| table.sample(rng) as i16)
                .collect()
        })
        .collect()
}

/// Row i of \[I | Â | G − \[I | Â\]·R\].
fn row_of_a(parameters: &Parameters, i: usize, a_hat: &[u32], r: &[Vec<i16>]) -> Vec<u32> {
    let (n, k, q) = (parameters.n, parameters.k, parameters.q);
    let mut identity = vec![0; n];
    identity[i] = 1;
    let mut sums = vec![0i64; parameters.w()]; // below 2^26·2^5·2^12
    for (power, sum) in sums[i * k..(i + 1) * k].iter_mut().enumerate() {
        *sum = 1 << power;
    }
    for (&a, r) in identity
        .iter()
        .chain(a_hat)
        .zip(r)
        .filter(|(a, _)| **a != 0)
    {
        for (sum, &r) in sums.iter_mut().zip(r) {
            *sum -= i64::from(a) * i64::from(r);
        }
    }
    let right = sums.iter().map(|&sum| add(q, 0, sum));
    identity.iter().chain(a_hat).copied().chain(right).collect()
}

/// The root of Cov(p1 | p2) − η²·I, with Cov(p1 | p2) = σ_e²·(I − σ_g²/(σ_e² − σ_g²)·R·R^T).
fn conditional_root(parameters: &Parameters, r: &[Vec<i16>]) -> Option<Vec<Vec<f64>>> {
    let (gadget, key) = (
        parameters.sigma_gadget().powi(2),
        parameters.sigma_key().powi(2),
    );
    let covariance = r.iter().enumerate().map(|(i, row)| {
        let mut covariance: Vec<f64> = r[..=i]
            .iter()
            .map(|other| -key * gadget / (key - gadget) * f64::from(square(row, other)))
            .collect();
        covariance[i] += key - parameters.eta().powi(2);
        covariance
    });
    cholesky(covariance.collect())
}

/// ⟨a, b⟩ of two rows of R: below 2^10·2^17.
fn square(a: &[i16], b: &[i16]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| i32::from(a) * i32::from(b))
        .sum()
}

fn times(r: &[i16], z: &[i32]) -> i64 {
    r.iter()
        .zip(z)
        .map(|(&r, &z)| i64::from(r) * i64::from(z))
        .sum()
}

/// Preimages of g = (1, 2, 4, .., 2^(k−1)), MP12, section 4.2: by nearest planes over the short basis
/// S of the lattice of z with ⟨g, z⟩ = 0 mod q.
struct Gadget {
    width: f64,
    /// Columns of S: 2 at i and −1 at i + 1; the last holds the bits of q.
    basis: Vec<Vec<f64>>,
    /// Their Gram-Schmidt orthogonalisation.
    orthogonal: Vec<Vec<f64>>,
}

impl Gadget {
    fn new(parameters: &Parameters) -> Self {
        let (k, q) = (parameters.k, parameters.q);
        let mut basis: Vec<Vec<f64>> = (0..k - 1)
            .map(|i| {
                let mut column = vec![0.0; k];
                column[i] = 2.0;
                column[i + 1] = -1.0;
                column
            })
            .collect();
        basis.push(bits(q, k));
        let mut orthogonal: Vec<Vec<f64>> = Vec::new();
        for column in &basis {
            let mut rest = column.clone();
            for previous in &orthogonal {
                let share = dot(&rest, previous) / dot(previous, previous);
                subtract(&mut rest, share, previous);
            }
            orthogonal.push(rest);
        }
        Self {
            width: parameters.sigma_gadget(),
            basis,
            orthogonal,
        }
    }

    /// z of width σ_g with ⟨g, z⟩ = v mod q: the bits of v, less a lattice point close to them.
    fn preimage(&self, v: u32, rng: &mut impl Rng) -> Vec<i32> {
        let mut z = bits(v, self.basis.len());
        for (column, orthogonal) in self.basis.iter().zip(&self.orthogonal).rev() {
            let square = dot(orthogonal, orthogonal);
            let centre = dot(&z, orthogonal) / square;
            let multiple = gaussian::integer(centre, self.width / square.sqrt(), rng);
            subtract(&mut z, multiple as f64, column);
        }
        z.iter().map(|&z| z as i32).collect() // integers all along, far below 2^53
    }
}

fn bits(v: u32, k: usize) -> Vec<f64> {
    (0..k).map(|i| f64::from(v >> i & 1)).collect()
}

fn subtract(from: &mut [f64], times: f64, what: &[f64]) {
    for (from, what) in from.iter_mut().zip(what) {
        *from -= times * what;
    }
}
