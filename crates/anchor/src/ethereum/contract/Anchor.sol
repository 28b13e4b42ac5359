// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// Anchors of one medshare ledger: each says how long its log was and which root it had then.
/// Anchors only ever grow, so that two nodes which anchor the same head pay for one anchor.
contract Anchor {
    /// Head of the log at an anchor. `head` is the SHA2-256 of the block's header, which holds
    /// the other three; they are here so that a proof needs no header.
    event Anchored(
        bytes32 indexed ledger, uint64 indexed sequence, bytes32 root, uint64 size, uint64 height, bytes32 head
    );
    event OwnerAdded(address indexed owner);
    event OwnerRemoved(address indexed owner);

    error NotOwner();
    error NotNewer();
    error LastOwner();
    error NoOwner();

    /// One word: a second anchor costs one write.
    struct Newest {
        uint64 sequence;
        uint64 size;
        uint64 height;
    }

    /// Chain id of the ledger: SHA2-256 of its genesis object.
    bytes32 public immutable ledger;
    Newest public newest;
    uint256 public owners;
    mapping(address => bool) public isOwner;
    /// Roots of those anchors that were asked to be kept for other contracts, by sequence.
    mapping(uint64 => bytes32) public rootOf;

    constructor(bytes32 ledger_, address[] memory owners_) {
        if (owners_.length == 0) revert NoOwner();
        ledger = ledger_;
        for (uint256 index = 0; index < owners_.length; index++) add(owners_[index]);
    }

    modifier onlyOwner() {
        if (!isOwner[msg.sender]) revert NotOwner();
        _;
    }

    /// Anchors a head by an event.
    function anchor(bytes32 root, uint64 size, uint64 height, bytes32 head) external onlyOwner {
        next(root, size, height, head);
    }

    /// The same, and keeps the root where other contracts can read it.
    function anchorAndStore(bytes32 root, uint64 size, uint64 height, bytes32 head) external onlyOwner {
        rootOf[next(root, size, height, head)] = root;
    }

    function addOwner(address owner) external onlyOwner {
        add(owner);
    }

    function removeOwner(address owner) external onlyOwner {
        if (!isOwner[owner]) revert NotOwner();
        if (owners == 1) revert LastOwner();
        owners--;
        isOwner[owner] = false;
        emit OwnerRemoved(owner);
    }

    function next(bytes32 root, uint64 size, uint64 height, bytes32 head) private returns (uint64 sequence) {
        Newest memory last = newest;
        if (size <= last.size || height <= last.height) revert NotNewer();
        sequence = last.sequence + 1;
        newest = Newest(sequence, size, height);
        emit Anchored(ledger, sequence, root, size, height, head);
    }

    function add(address owner) private {
        if (owner == address(0)) revert NoOwner();
        if (isOwner[owner]) return;
        owners++;
        isOwner[owner] = true;
        emit OwnerAdded(owner);
    }
}
