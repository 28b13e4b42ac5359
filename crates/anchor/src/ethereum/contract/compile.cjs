// Compiles the contracts of this folder with solc's standard JSON and prints, as canonical JSON, what the programs
// need of each: ABI and creation bytecode. Called by `cargo xtask contracts`; solc is in NODE_PATH.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const names = fs.readdirSync(__dirname).filter((name) => name.endsWith(".sol")).sort();
const input = {
  language: "Solidity",
  sources: Object.fromEntries(names.map((name) => [name, { content: fs.readFileSync(path.join(__dirname, name), "utf8") }])),
  settings: {
    optimizer: { enabled: true, runs: 10000 },
    evmVersion: "cancun",
    // No hash of the sources at the end: the same bytes for the same program.
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const error of output.errors ?? []) console.error(error.formattedMessage);
if ((output.errors ?? []).length > 0) process.exit(1);
const compiled = { compiler: solc.version() };
for (const file of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(file)) {
    // What others build upon has no code of its own.
    if (contract.evm.bytecode.object === "") continue;
    compiled[name] = { abi: contract.abi, bytecode: contract.evm.bytecode.object };
  }
}
console.log(JSON.stringify(compiled, null, 1));
