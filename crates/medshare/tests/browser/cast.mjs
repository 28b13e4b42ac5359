// A node with the homes of several parties, each command its own process, and the pages of
// those homes.
import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = process.env.MEDSHARE_PROGRAM;

export class Cast {
  static async gather() {
    const cast = new Cast();
    cast.folder = mkdtempSync(join(tmpdir(), "medshare-pages-"));
    cast.running = [];
    cast.said = ""; // on stderr, by what runs on
    writeFileSync(join(cast.folder, "pass"), "correct horse battery");
    cast.run("init", "--role", "node", "--home", "node", "--work-factor", "2");
    await cast.start("node", "run", "--home", "node");
    for (const [home, role] of [
      ["riverside", "hospital"], ["northgate", "hospital"], ["anna", "patient"],
      ["brigid", "agent"], ["kidneys", "requester"],
    ]) {
      const made = cast.json("init", "--role", role, "--home", home, "--work-factor", "2");
      cast.run("account", "register", "--home", home);
      cast[home] = made.account;
    }
    for (const institution of ["riverside", "northgate", "kidneys"]) {
      cast.run("institution", "admit", cast[institution], "--home", "node");
    }
    const { consent } = cast.json("account", "consent", cast.brigid, "--home", "northgate");
    cast.run("account", "join", cast.northgate, "--consent", consent, "--home", "brigid");
    const { card } = cast.json("wallet", "card", "--for", cast.riverside, "--home", "anna");
    writeFileSync(join(cast.folder, "card"), card);
    for (const hospital of ["riverside", "northgate"]) {
      cast.run("account", "attest", "--card", "card", "--home", hospital);
    }
    cast.run("agent", "once", "--home", "brigid");
    const names = ["riverside", "northgate", "anna", "brigid", "kidneys"];
    for (const home of names) {
      for (const name of names) {
        if (name !== home) cast.run("contact", "add", name, cast[name], "--home", home);
      }
    }
    cast.run("ledger", "genesis", "--output", "genesis.cbor");
    return cast;
  }

  environment() {
    const environment = { ...process.env, MEDSHARE_PASSPHRASE_FILE: "pass" };
    delete environment.MEDSHARE_HOME;
    delete environment.MEDSHARE_CONFIG;
    return environment;
  }

  options(words) {
    const environment = this.environment();
    if (words[0] !== "node") environment.MEDSHARE_NODE = "unix:node/node/medshare.sock";
    return { cwd: this.folder, env: environment };
  }

  run(...words) {
    return execFileSync(PROGRAM, words, { ...this.options(words), stdio: ["ignore", "pipe", "pipe"] })
      .toString();
  }

  json(...words) {
    return JSON.parse(this.run(...words, "--json"));
  }

  // Starts what runs on, and gives the first object that it prints.
  async start(...words) {
    const child = spawn(PROGRAM, [...words, "--json"], {
      ...this.options(words), stdio: ["ignore", "pipe", "pipe"],
    });
    child.stderr.on("data", (bytes) => { this.said += bytes; });
    this.running.push(child);
    const lines = createInterface({ input: child.stdout });
    const { value } = await lines[Symbol.asyncIterator]().next();
    child.stdout.resume();
    return JSON.parse(value);
  }

  // The one-time link of a home's page.
  async page(home) {
    const { link } = home === "audit"
      ? await this.start("ledger", "page", "--genesis", "genesis.cbor", "--quiet")
      : await this.start("page", "--home", home, "--quiet");
    return link;
  }

  publish(file) {
    const words = ["record", "publish", file, "--patient", this.anna, "--home", "riverside"];
    return this.json(...words).record;
  }

  async end() {
    for (const child of this.running.reverse()) {
      const gone = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
    assert.ok(!this.said.includes("a fault of this program"), this.said);
  }
}
