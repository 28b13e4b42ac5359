// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

interface IPermissions {
    function isAllowed(bytes32 grant, bytes32 requester) external view returns (bool);
}

/// A contract of somebody else that asks before it lends. For tests only.
contract Library {
    IPermissions private immutable permissions;
    mapping(bytes32 => uint256) public lent;

    error NotAllowed();

    constructor(IPermissions permissions_) {
        permissions = permissions_;
    }

    function lend(bytes32 grant, bytes32 requester) external {
        if (!permissions.isAllowed(grant, requester)) revert NotAllowed();
        lent[requester]++;
    }
}
