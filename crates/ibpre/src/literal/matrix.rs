//! Matrices modulo q, and inner products with short vectors. Plain loops.

use rand_core::Rng;

/// A matrix over Z_q, by rows; entries in 0..q, q < 2^26.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    q: u32,
    columns: usize,
    entries: Vec<u32>,
}

impl Matrix {
    /// Uniform entries.
    pub(super) fn uniform(q: u32, rows: usize, columns: usize, rng: &mut impl Rng) -> Self {
        let entries = uniform(q, rows * columns, rng);
        Self {
            q,
            columns,
            entries,
        }
    }

    /// The matrix with these rows.
    pub(super) fn from_rows(q: u32, columns: usize, rows: impl Iterator<Item = Vec<u32>>) -> Self {
        let entries = rows.flatten().collect();
        Self {
            q,
            columns,
            entries,
        }
    }

    /// The rows, each of `columns` entries.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u32> {
        self.entries.chunks_exact(self.columns)
    }

    /// A·e for a short e: |e_j| < 2^17 for at most 2^20 columns, so sums stay below 2^63.
    pub fn times_short(&self, e: &[i32]) -> Vec<u32> {
        self.rows().map(|row| inner(self.q, row, e)).collect()
    }

    /// A^T·s for any s in Z_q^n, n ≤ 2^12: sums stay below 2^64.
    pub(super) fn transposed_times(&self, s: &[u32]) -> Vec<u32> {
        let mut sums = vec![0u64; self.columns];
        for (row, &s) in self.rows().zip(s) {
            for (sum, &a) in sums.iter_mut().zip(row) {
                *sum += u64::from(a) * u64::from(s);
            }
        }
        let q = u64::from(self.q);
        sums.iter().map(|sum| (sum % q) as u32).collect()
    }
}

/// ⟨a, e⟩ mod q for a in Z_q^m and a short e.
pub(super) fn inner(q: u32, a: &[u32], e: &[i32]) -> u32 {
    let sum: i64 = a
        .iter()
        .zip(e)
        .map(|(&a, &e)| i64::from(a) * i64::from(e))
        .sum();
    sum.rem_euclid(i64::from(q)) as u32
}

/// ⟨a, s⟩ mod q for a and s in Z_q^n, n ≤ 2^12.
pub(super) fn inner_mod(q: u32, a: &[u32], s: &[u32]) -> u32 {
    let sum: u64 = a
        .iter()
        .zip(s)
        .map(|(&a, &s)| u64::from(a) * u64::from(s))
        .sum();
    (sum % u64::from(q)) as u32
}

/// a + b mod q, where b may be negative, |b| < 2^62.
pub(super) fn add(q: u32, a: u32, b: i64) -> u32 {
    (i64::from(a) + b).rem_euclid(i64::from(q)) as u32
}

/// `count` uniform elements of Z_q.
pub(super) fn uniform(q: u32, count: usize, rng: &mut impl Rng) -> Vec<u32> {
    // 64 bits modulo q < 2^26: no further than 2^-38 from uniform.
    (0..count)
        .map(|_| (rng.next_u64() % u64::from(q)) as u32)
        .collect()
}
