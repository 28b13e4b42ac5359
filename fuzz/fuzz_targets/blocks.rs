//! Blocks and archives of the store.
#![no_main]

use base::cid;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use store::{Embedded, links, unixfs::node::Node};

static STORE: OnceLock<Embedded> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    for codec in [cid::RAW, cid::DAG_PB, cid::DAG_CBOR] {
        let _ = links(&cid::of_block(codec, bytes), bytes);
    }
    if let Ok(node) = Node::decode(bytes) {
        let _ = node.file();
    }
    let store = STORE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("medshare-fuzz-{}", std::process::id()));
        Embedded::open(folder).expect("a store in the temporary folder")
    });
    let _ = store::car::import(store, bytes, 1 << 20);
});
