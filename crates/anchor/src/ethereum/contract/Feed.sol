// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Owned} from "./Owned.sol";

/// Calls that follow from the leaves of a ledger's log, in the log's order. Each says which leaf it is of and the first
/// that nothing was said of before; so none is lost and none is taken twice, whoever sends it how often.
abstract contract Feed is Owned {
    error NotNext();

    /// The first leaf that is looked at.
    uint64 public immutable first;
    /// The first leaf that nothing was said of yet.
    uint64 public next;

    constructor(bytes32 ledger_, address[] memory owners_, uint64 first_) Owned(ledger_, owners_) {
        first = first_;
        next = first_;
    }

    /// What comes of leaf `index`; leaves from `from` up to it say nothing here.
    modifier takes(uint64 from, uint64 index) {
        if (from != next || index < from) revert NotNext();
        next = index + 1;
        _;
    }
}
