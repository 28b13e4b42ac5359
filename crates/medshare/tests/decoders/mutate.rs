//! Honest bytes, spoilt: by bits and stretches as anything may be, and where CBOR, protobuf
//! and text are read wrongly most easily.

/// Seeded choices: xorshift, cheaper than any decoder.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Bytes at which lengths, counts and integers change their form.
const EDGES: [u8; 12] = [
    0x00, 0x01, 0x17, 0x18, 0x19, 0x1b, 0x3b, 0x5b, 0x7f, 0x80, 0x9f, 0xff,
];
/// Integers that overflow something.
const NUMBERS: [u64; 8] = [
    0,
    1,
    u8::MAX as u64 + 1,
    u16::MAX as u64 + 1,
    u32::MAX as u64,
    i64::MAX as u64,
    i64::MAX as u64 + 1,
    u64::MAX,
];
/// No input grows beyond its seed by more than this.
const GROWTH: usize = 4_096;

/// One of `seeds`, changed once or a few times, into `out`.
pub(super) fn spoil(seeds: &[&[u8]], random: &mut Random, out: &mut Vec<u8>) {
    let seed = seeds[random.below(seeds.len())];
    out.clear();
    out.extend_from_slice(seed);
    // One change in a half of all inputs, two in a quarter, …
    loop {
        change(seeds, random, out);
        if random.below(2) == 0 || out.len() > seed.len() + GROWTH {
            break;
        }
    }
}

fn change(seeds: &[&[u8]], random: &mut Random, out: &mut Vec<u8>) {
    let at = random.below(out.len());
    let end = at + random.below((out.len() - at).min(64));
    match random.below(12) {
        0 | 1 if !out.is_empty() => out[at] ^= 1 << random.below(8),
        2 if !out.is_empty() => out[at] = EDGES[random.below(EDGES.len())],
        3 => out.truncate(at),
        4 => out.insert(at, random.below(256) as u8),
        5 => drop(out.drain(at..end)),
        6 => {
            let again = out[at..end].to_vec();
            out.splice(end..end, again);
        }
        7 => {
            let other = seeds[random.below(seeds.len())];
            let from = random.below(other.len());
            let to = from + random.below((other.len() - from).min(256));
            out.splice(at..end, other[from..to].iter().copied());
        }
        8 => longer_head(random, out, at),
        9 => {
            let bytes = NUMBERS[random.below(NUMBERS.len())].to_be_bytes();
            let width = 1 << random.below(4);
            for (place, byte) in out[at..].iter_mut().zip(&bytes[8 - width..]) {
                *place = *byte;
            }
        }
        10 if end > at => out[at..end].rotate_left(1),
        // a small step up or down: the neighbour of a length, a count, a version, a digit
        _ if !out.is_empty() => {
            let step = if random.below(2) == 0 { 1 } else { 0xff };
            out[at] = out[at].wrapping_add(step);
        }
        _ => out.push(0),
    }
}

/// A CBOR head at or behind `at` in a longer form than it needs: a second spelling.
fn longer_head(random: &mut Random, out: &mut Vec<u8>, at: usize) {
    let Some(found) = out[at..].iter().position(|byte| byte & 0x1f < 0x18) else {
        return;
    };
    let (at, head) = (at + found, out[at + found]);
    let width = random.below(3);
    let mut long = vec![(head & 0xe0) | (0x18 + width as u8)];
    long.resize(1 + (1 << width), 0);
    if let Some(last) = long.last_mut() {
        *last = head & 0x1f;
    }
    out.splice(at..=at, long);
}
