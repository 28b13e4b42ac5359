// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Feed} from "./Feed.sol";

/// Every leaf of one medshare ledger's log, an operation record with its outcome, by its hash: a transaction each.
contract Records is Feed {
    /// `leaf` is the hash of leaf `index`, SHA2-256 of a zero byte and the leaf, as in RFC 9162.
    event Recorded(bytes32 indexed ledger, uint64 indexed index, bytes32 leaf);

    /// Hashes of those leaves that were asked to be kept for other contracts.
    mapping(uint64 => bytes32) public leafOf;

    constructor(bytes32 ledger_, address[] memory owners_, uint64 first_) Feed(ledger_, owners_, first_) {}

    /// Submits a leaf by an event.
    function record(uint64 index, bytes32 leaf) external onlyOwner takes(index, index) {
        emit Recorded(ledger, index, leaf);
    }

    /// The same, and keeps the hash where other contracts can read it.
    function recordAndStore(uint64 index, bytes32 leaf) external onlyOwner takes(index, index) {
        leafOf[index] = leaf;
        emit Recorded(ledger, index, leaf);
    }
}
