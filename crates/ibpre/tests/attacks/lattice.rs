//! The attacker's linear algebra: elimination modulo a prime, and LLL.

/// What equations modulo a prime q say about `unknowns` unknowns.
pub(crate) struct Equations {
    q: u64,
    unknowns: usize,
    /// Reduced rows with the right-hand side last; row i has its first 1 in column `pivots[i]`.
    rows: Vec<Vec<u64>>,
    pivots: Vec<usize>,
}

impl Equations {
    pub(crate) fn new(q: u32, unknowns: usize) -> Self {
        Self {
            q: q.into(),
            unknowns,
            rows: Vec::new(),
            pivots: Vec::new(),
        }
    }

    /// Adds ⟨coefficients, x⟩ = right; what follows from the others adds nothing.
    pub(crate) fn add(&mut self, coefficients: &[u32], right: u32) {
        let q = self.q;
        let mut row: Vec<u64> = coefficients
            .iter()
            .chain([&right])
            .map(|&c| c.into())
            .collect();
        for (known, &pivot) in self.rows.iter().zip(&self.pivots) {
            let times = q - row[pivot];
            if times != q {
                combine(q, &mut row[pivot..], times, &known[pivot..]);
            }
        }
        let Some(pivot) = row[..self.unknowns].iter().position(|&c| c != 0) else {
            return;
        };
        let inverse = power(row[pivot], q - 2, q);
        row.iter_mut().for_each(|c| *c = *c * inverse % q);
        self.rows.push(row);
        self.pivots.push(pivot);
    }

    /// Dimensions in which the unknowns are still free.
    pub(crate) fn free(&self) -> usize {
        self.unknowns - self.rows.len()
    }

    /// The one solution, centred, if there is one.
    pub(crate) fn solution(&self) -> Option<Vec<i32>> {
        if self.free() > 0 {
            return None;
        }
        let q = self.q;
        let mut x = vec![0u64; self.unknowns];
        for (row, &pivot) in self.rows.iter().zip(&self.pivots).rev() {
            // The unknowns of later rows are known; those of earlier rows have coefficient 0 here.
            let known: u64 = row[..self.unknowns]
                .iter()
                .zip(&x)
                .enumerate()
                .filter(|(at, _)| *at != pivot)
                .map(|(_, (c, x))| c * x % q)
                .sum();
            x[pivot] = (row[self.unknowns] + q - known % q) % q;
        }
        let centred = |&x: &u64| {
            if x > q / 2 {
                x as i32 - q as i32
            } else {
                x as i32
            }
        };
        Some(x.iter().map(centred).collect())
    }
}

fn combine(q: u64, row: &mut [u64], times: u64, known: &[u64]) {
    for (c, k) in row.iter_mut().zip(known) {
        *c = (*c + times * k) % q;
    }
}

/// base^exponent mod q.
pub(crate) fn power(base: u64, exponent: u64, q: u64) -> u64 {
    let (mut result, mut base, mut exponent) = (1, base % q, exponent);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % q;
        }
        base = base * base % q;
        exponent >>= 1;
    }
    result
}

/// Integers a with Σ a_j·(1, ids_j) = (1, target), short by LLL, if LLL finds any.
pub(crate) fn affine_combination(ids: &[Vec<bool>], target: &[bool]) -> Option<Vec<i64>> {
    const WEIGHT: i64 = 1000; // makes it expensive to miss the equations
    let count = ids.len();
    let row = |at: usize, sign: i64, id: &[bool]| {
        let mut row = vec![0; count + 1];
        row[at] = 1;
        row.push(sign * WEIGHT);
        row.extend(id.iter().map(|&bit| sign * WEIGHT * i64::from(bit)));
        row
    };
    let mut basis: Vec<Vec<i64>> = ids
        .iter()
        .enumerate()
        .map(|(at, id)| row(at, 1, id))
        .collect();
    basis.push(row(count, -1, target));
    lll(&mut basis);
    let found = basis
        .iter()
        .find(|row| row[count].abs() == 1 && row[count + 1..].iter().all(|&c| c == 0))?;
    Some(found[..count].iter().map(|a| a * found[count]).collect())
}

/// Lenstra-Lenstra-Lovász reduction, δ = 0.99, Gram-Schmidt in `f64`: for small bases.
fn lll(basis: &mut [Vec<i64>]) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let real = |row: &[i64]| row.iter().map(|&c| c as f64).collect::<Vec<f64>>();
    let mut orthogonal = vec![real(&basis[0])];
    let mut k = 1;
    while k < basis.len() {
        orthogonal.truncate(k);
        for j in (0..k).rev() {
            let share = dot(&real(&basis[k]), &orthogonal[j]) / dot(&orthogonal[j], &orthogonal[j]);
            let times = share.round() as i64;
            let (below, row) = basis.split_at_mut(k);
            for (c, b) in row[0].iter_mut().zip(&below[j]) {
                *c -= times * b;
            }
        }
        let mut rest = real(&basis[k]);
        let mut last = 0.0;
        for previous in &orthogonal {
            last = dot(&rest, previous) / dot(previous, previous);
            rest.iter_mut()
                .zip(previous)
                .for_each(|(r, p)| *r -= last * p);
        }
        let previous = dot(&orthogonal[k - 1], &orthogonal[k - 1]);
        if dot(&rest, &rest) >= (0.99 - last * last) * previous {
            orthogonal.push(rest);
            k += 1;
        } else {
            basis.swap(k - 1, k);
            if k == 1 {
                orthogonal = vec![real(&basis[0])];
            } else {
                k -= 1;
            }
        }
    }
}
