// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// What every contract of one medshare ledger has: the ledger, and who may write for it. Any owner adds and removes
/// owners, never the last.
abstract contract Owned {
    event OwnerAdded(address indexed owner);
    event OwnerRemoved(address indexed owner);

    error NotOwner();
    error LastOwner();
    error NoOwner();

    /// Chain id of the ledger: SHA2-256 of its genesis object.
    bytes32 public immutable ledger;
    uint256 public owners;
    mapping(address => bool) public isOwner;

    constructor(bytes32 ledger_, address[] memory owners_) {
        if (owners_.length == 0) revert NoOwner();
        ledger = ledger_;
        for (uint256 index = 0; index < owners_.length; index++) add(owners_[index]);
    }

    modifier onlyOwner() {
        if (!isOwner[msg.sender]) revert NotOwner();
        _;
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

    function add(address owner) private {
        if (owner == address(0)) revert NoOwner();
        if (isOwner[owner]) return;
        owners++;
        isOwner[owner] = true;
        emit OwnerAdded(owner);
    }
}
