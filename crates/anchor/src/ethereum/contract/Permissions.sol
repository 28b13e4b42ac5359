// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Feed} from "./Feed.sol";

/// Grants of one medshare ledger, as other contracts can ask for them. What is public of a grant is a hash that only
/// who knows grant and requester can make, from when until when it holds, and that it was revoked.
contract Permissions is Feed {
    /// What leaf `index` makes of a grant: from `notBefore` on and before `expires` it holds, seconds since 1970; both
    /// are 0 if it was revoked.
    event Permitted(
        bytes32 indexed ledger, uint64 indexed index, bytes32 indexed key, uint64 from, uint64 notBefore, uint64 expires
    );

    error NeverHolds();

    /// One word.
    struct Span {
        uint64 notBefore;
        uint64 expires;
    }

    /// By key; zeros for what was never granted, or was revoked.
    mapping(bytes32 => Span) public spanOf;

    constructor(bytes32 ledger_, address[] memory owners_, uint64 first_) Feed(ledger_, owners_, first_) {}

    function grant(uint64 from, uint64 index, bytes32 key, uint64 notBefore, uint64 expires)
        external
        onlyOwner
        takes(from, index)
    {
        if (notBefore >= expires) revert NeverHolds();
        spanOf[key] = Span(notBefore, expires);
        emit Permitted(ledger, index, key, from, notBefore, expires);
    }

    function revoke(uint64 from, uint64 index, bytes32 key) external onlyOwner takes(from, index) {
        delete spanOf[key];
        emit Permitted(ledger, index, key, from, 0, 0);
    }

    /// Whether the grant of this id holds now for this requester, by the block's time: given, begun, not over, not
    /// revoked. Both are the ledger's: the digest in the id of the operation that granted, and an account.
    function isAllowed(bytes32 grant_, bytes32 requester) external view returns (bool) {
        Span memory span = spanOf[keyOf(grant_, requester)];
        return span.notBefore <= block.timestamp && block.timestamp < span.expires;
    }

    /// The key of a grant to a requester.
    function keyOf(bytes32 grant_, bytes32 requester) public view returns (bytes32) {
        return keccak256(abi.encode(ledger, grant_, requester));
    }
}
