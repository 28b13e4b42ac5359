//! What the file must hold: a checksum of each page, in memory, from when it was first read
//! or written. 8 bytes for each 4 KiB of the file.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

/// redb's page.
pub(crate) const PAGE: usize = 4096;

/// Checksums by page: 0 where none is known, else a CRC-32 above [`KNOWN`].
#[derive(Debug, Default)]
pub(crate) struct Pages(RwLock<Vec<AtomicU64>>);

impl Pages {
    /// Remembers what stands at `offset` from now on.
    pub(crate) fn learn(&self, offset: u64, bytes: &[u8]) {
        let (first, count) = span(offset, bytes.len());
        self.grow(first + count);
        let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (slot, page) in pages.iter().skip(first).zip(bytes.chunks(PAGE)) {
            slot.store(checksum(page), Ordering::Release);
        }
    }

    /// Forgets what stands there, while it is being written.
    pub(crate) fn forget(&self, offset: u64, length: usize) {
        let (first, count) = span(offset, length);
        let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for slot in pages.iter().skip(first).take(count) {
            slot.store(0, Ordering::Release);
        }
    }

    /// Whether `bytes` are what stands at `offset`, as far as that is known; pages that are
    /// not known are learnt.
    pub(crate) fn agree(&self, offset: u64, bytes: &[u8]) -> bool {
        let (first, count) = span(offset, bytes.len());
        self.grow(first + count);
        let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pages
            .iter()
            .skip(first)
            .zip(bytes.chunks(PAGE))
            .all(|(slot, page)| {
                let found = checksum(page);
                let known = slot.compare_exchange(0, found, Ordering::AcqRel, Ordering::Acquire);
                known.is_ok() || known == Err(found)
            })
    }

    /// The known checksum of one page.
    pub(crate) fn known(&self, page: usize) -> Option<u64> {
        let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = pages.get(page)?.load(Ordering::Acquire);
        (known != 0).then_some(known)
    }

    /// Pages of which something may be known.
    pub(crate) fn count(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The file has this length now.
    pub(crate) fn cut(&self, length: u64) {
        let count = usize::try_from(length.div_ceil(PAGE as u64)).unwrap_or(usize::MAX);
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pages.truncate(count);
    }

    fn grow(&self, count: usize) {
        if self.count() < count {
            let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let count = count.max(pages.len());
            pages.resize_with(count, AtomicU64::default);
        }
    }
}

/// First page and number of pages. redb reads and writes whole pages, the header apart.
fn span(offset: u64, length: usize) -> (usize, usize) {
    let first = usize::try_from(offset / PAGE as u64).unwrap_or(usize::MAX);
    (first, length.div_ceil(PAGE))
}

/// CRC-32: it differs for any two pages that differ in up to 32 bits in a row.
pub(crate) fn checksum(page: &[u8]) -> u64 {
    KNOWN | u64::from(crc32fast::hash(page))
}

const KNOWN: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_noticed_once_a_page_is_known() {
        let pages = Pages::default();
        let mut bytes = vec![7; 3 * PAGE];
        assert!(pages.agree(PAGE as u64, &bytes), "not known yet");
        assert!(pages.agree(PAGE as u64, &bytes));
        for at in [0, PAGE - 1, PAGE, 3 * PAGE - 1] {
            bytes[at] ^= 0x10;
            assert!(!pages.agree(PAGE as u64, &bytes));
            bytes[at] ^= 0x10;
        }
        let second = 2 * PAGE as u64;
        pages.learn(second, &[8; PAGE]);
        assert!(!pages.agree(PAGE as u64, &bytes));
        assert!(pages.agree(second, &[8; PAGE]));
        pages.forget(second, PAGE);
        assert_eq!(pages.known(2), None);
        assert!(pages.agree(PAGE as u64, &bytes));
        pages.cut(second);
        assert_eq!((pages.count(), pages.known(1).is_some()), (2, true));
    }
}
