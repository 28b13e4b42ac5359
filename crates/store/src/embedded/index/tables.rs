//! The tables of the index. Times are milliseconds since 1970, lengths and offsets bytes.

use super::super::key::KEY;
use redb::TableDefinition;

type Table<K, V> = TableDefinition<'static, K, V>;
/// Codec and digest.
pub(super) type K = &'static [u8; KEY];

/// Block → pack, offset, length, how many have stored it and are still to pin it, and when
/// the last of them did.
pub(super) const BLOCKS: Table<K, (u64, u64, u32, u32, u64)> = Table::new("blocks");
/// Pack and offset → block: what is alive, as it lies.
pub(super) const PLACES: Table<(u64, u64), K> = Table::new("places");
/// Pack → how far it is written, and bytes of live records in it.
pub(super) const PACKS: Table<u64, (u64, u64)> = Table::new("packs");
/// Root → pins.
pub(super) const ROOTS: Table<K, u64> = Table::new("roots");
/// Root and a block that it reaches, itself among them.
pub(super) const REACH: Table<(K, K), ()> = Table::new("reach");
/// The same, turned round.
pub(super) const ROOTS_OF: Table<(K, K), ()> = Table::new("roots of");
/// Blocks that somebody is still to pin, by their time.
pub(super) const LOOSE: Table<(u64, K), ()> = Table::new("loose");
/// Blocks that a root reaches and that are missing or damaged, erased ones left out.
pub(super) const WANTED: Table<K, ()> = Table::new("wanted");
/// Root and a block whose links are to be followed; empty between changes.
pub(super) const QUEUE: Table<(K, K), ()> = Table::new("queue");
/// Pack and offset → bytes that are dead and not destroyed yet.
pub(super) const GRAVES: Table<(u64, u64), u64> = Table::new("graves");
/// Batch and block → where it lies: batches that hold too many blocks for memory.
pub(super) const PENDING: Table<(u64, K), (u64, u64, u32)> = Table::new("pending");
/// Packs that many have written to: between the live blocks may lie what a failed batch
/// has left.
pub(super) const SHARED: Table<u64, ()> = Table::new("shared");
/// The number of the last change.
pub(super) const CHANGES: Table<(), u64> = Table::new("changes");
/// How far the scrubber got: the pack and offset that come next.
pub(super) const SCRUBBED: Table<(), (u64, u64)> = Table::new("scrubbed");
