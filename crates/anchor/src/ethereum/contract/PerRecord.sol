// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// What an anchor is measured against: every record in storage, as MedRec's summary contracts
/// keep them (patient, provider, pointer, hash, permission). For the cost table only.
contract PerRecord {
    struct Record {
        address provider;
        bytes32 pointer;
        bytes32 hash;
        bool permitted;
    }

    mapping(address => Record[]) public records;

    event Added(address indexed patient, uint256 index);

    function add(address patient, bytes32 pointer, bytes32 hash) external {
        records[patient].push(Record(msg.sender, pointer, hash, true));
        emit Added(patient, records[patient].length - 1);
    }
}
