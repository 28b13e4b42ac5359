// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Owned} from "./Owned.sol";

/// Anchors of one medshare ledger: each says how long its log was and which root it had then.
/// Anchors only ever grow, so that two nodes which anchor the same head pay for one anchor.
contract Anchor is Owned {
    /// Head of the log at an anchor. `head` is the SHA2-256 of the block's header, which holds
    /// the other three; they are here so that a proof needs no header.
    event Anchored(
        bytes32 indexed ledger, uint64 indexed sequence, bytes32 root, uint64 size, uint64 height, bytes32 head
    );

    error NotNewer();

    /// One word: a second anchor costs one write.
    struct Newest {
        uint64 sequence;
        uint64 size;
        uint64 height;
    }

    Newest public newest;
    /// Roots of those anchors that were asked to be kept for other contracts, by sequence.
    mapping(uint64 => bytes32) public rootOf;

    constructor(bytes32 ledger_, address[] memory owners_) Owned(ledger_, owners_) {}

    /// Anchors a head by an event.
    function anchor(bytes32 root, uint64 size, uint64 height, bytes32 head) external onlyOwner {
        next(root, size, height, head);
    }

    /// The same, and keeps the root where other contracts can read it.
    function anchorAndStore(bytes32 root, uint64 size, uint64 height, bytes32 head) external onlyOwner {
        rootOf[next(root, size, height, head)] = root;
    }

    function next(bytes32 root, uint64 size, uint64 height, bytes32 head) private returns (uint64 sequence) {
        Newest memory last = newest;
        if (size <= last.size || height <= last.height) revert NotNewer();
        sequence = last.sequence + 1;
        newest = Newest(sequence, size, height);
        emit Anchored(ledger, sequence, root, size, height, head);
    }
}
