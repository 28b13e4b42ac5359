// The pages of every role in a real browser, from a file on a hospital's desk to a proof.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { Cast } from "./cast.mjs";
import { DESK, PHONE, check, launch, open, settle, shoot, until } from "./browser.mjs";

const SAMPLES = process.env.MEDSHARE_SAMPLES;
const LONG = process.env.MEDSHARE_LONG === "1";
const RECORD = join(SAMPLES, "beispiel-mueller.fhir.json");

let cast;
let hers; // two browsers: what one knows, the other does not
let theirs;
const links = {};

before(async () => {
  cast = await Cast.gather();
  [hers, theirs] = await Promise.all([launch(), launch()]);
  for (const home of ["anna", "riverside", "brigid", "kidneys", "audit"]) {
    links[home] = await cast.page(home);
  }
});

after(async () => {
  await Promise.all([hers?.close(), theirs?.close()]);
  await cast?.end();
});

// A link is good once: whoever comes later has the cookie of who came first.
const state = {};
async function page(browser, home, options) {
  if (!state[home]) {
    const first = await open(browser, links[home], options);
    state[home] = { cookies: await first.context().cookies(), at: first.at };
    return first;
  }
  const next = await open(browser, null, options);
  await next.context().addCookies(state[home].cookies);
  next.at = state[home].at;
  return next;
}

const press = (page, name) => page.getByRole("button", { name }).first().click();

// Drops a file where the page takes one.
async function drop(page, file) {
  const dropped = await page.evaluateHandle((bytes) => {
    const data = new DataTransfer();
    const content = Uint8Array.from(bytes, (letter) => letter.charCodeAt(0));
    data.items.add(new File([content], "dropped"));
    return data;
  }, readFileSync(file, "latin1"));
  await page.dispatchEvent(".drop", "drop", { dataTransfer: dropped });
}

// The whole story. With JavaScript files are dropped, and previews and the log are live;
// without it the same forms do the same.
async function story(javaScript) {
  const options = { javaScript };
  const name = javaScript ? "story" : "plain";
  const hospital = await page(theirs, "riverside", options);
  const anna = await page(hers, "anna", options);
  const institute = await page(theirs, "kidneys", options);
  const audit = await page(theirs, "audit", options);
  await page(theirs, "brigid", options);
  const look = async (page, where) => {
    await shoot(page, `${name}-${where}`);
    if (javaScript) await check(page, where);
  };

  await hospital.goto(hospital.at + "/publish");
  await hospital.getByLabel("For which patient").selectOption({ label: "anna" });
  if (javaScript) {
    await drop(hospital, RECORD);
    await look(hospital, "hospital-publish");
  } else {
    await hospital.getByLabel("File of the record").setInputFiles(RECORD);
  }
  await press(hospital, "Sign and publish");
  await hospital.waitForURL("**/published");
  await until(hospital, "/published", "accepted");
  await look(hospital, "hospital-published");

  await until(anna, "/records", "Record from riverside");
  await look(anna, "patient-records");
  await anna.getByRole("link", { name: /^Open the record/ }).first().click();
  await anna.getByText("Health record (FHIR)").waitFor();
  assert.ok(await anna.locator("main svg[role=img]").first().isVisible(), "results as a plot");
  await look(anna, "patient-record");

  await institute.goto(institute.at + "/request");
  await institute.getByLabel("Whom do you ask").fill("anna");
  await institute.getByLabel("medication", { exact: true }).check();
  await institute.getByLabel("The same as SMART scopes")
    .fill("patient/Observation.rs?category=laboratory");
  await institute.getByLabel("Your words to the patient").fill("A study of kidneys.");
  if (!javaScript) await press(institute, "Show the preview");
  await institute.locator("#preview-text", { hasText: "read your laboratory results, medication" })
    .waitFor();
  await look(institute, "researcher-request");
  await press(institute, "Send the request");
  await institute.waitForURL("**/asked");
  assert.match(await institute.locator("main").innerText(), /no answer yet/);
  await look(institute, "researcher-asked");

  await until(anna, "/requests", "kidneys");
  await look(anna, "patient-requests");
  await anna.getByRole("link", { name: /^Read and answer/ }).first().click();
  await anna.getByRole("heading", { name: "What cannot be undone" }).waitFor();
  await look(anna, "patient-request");
  await anna.getByRole("group", { name: "Share these kinds of data" }).getByLabel("medication").uncheck();
  await press(anna, "Yes, share this");
  await anna.waitForURL("**/grants");
  await look(anna, "patient-grants");

  await until(institute, "/opened", "What anna shares with you");
  await institute.getByRole("link", { name: "Open the data of anna" }).first().click();
  await press(institute, "Ask the agent");
  await institute.getByRole("link", { name: /^Read laboratory results/ }).first().waitFor();
  assert.equal(await institute.getByText("medication").count(), 0, "she took it out");
  await look(institute, "researcher-granted");
  await institute.getByRole("link", { name: /^Read laboratory results/ }).first().click();
  await institute.getByText("Signature of riverside verified").waitFor();
  await look(institute, "researcher-opened");

  await audit.goto(audit.at + "/log");
  await audit.getByRole("heading", { name: "Log" }).waitFor();
  await institute.getByLabel("As it was described, and usable").check();
  await press(institute, "Send the review");
  await institute.waitForURL(/\/opened\/\w+$/);
  if (!javaScript) await audit.reload();
  // Live: nobody touches the auditor's page.
  await audit.getByRole("cell", { name: "Review" }).first().waitFor();
  await look(audit, "auditor-log");

  await until(anna, "/accesses", "kidneys");
  await look(anna, "patient-accesses");
  await anna.getByRole("link", { name: /^Verify/ }).first().click();
  await anna.getByText("Proven: this operation is in the log").waitFor();
  await look(anna, "patient-operation");
  const [download] = await Promise.all([
    anna.waitForEvent("download"), press(anna, "Save the proof file"),
  ]);
  const proof = join(cast.folder, `${name}.proof`);
  await download.saveAs(proof);
  await audit.goto(audit.at + "/verify");
  if (javaScript) await drop(audit, proof);
  else await audit.getByLabel("Proof file").setInputFiles(proof);
  await press(audit, "Check it");
  await audit.getByText("Proven: this operation is in the log").waitFor();
  await look(audit, "auditor-verify");
  const spoilt = readFileSync(proof);
  spoilt[spoilt.length >> 1] ^= 1;
  writeFileSync(proof, spoilt);
  await audit.getByLabel("Proof file").setInputFiles(proof);
  await press(audit, "Check it");
  await audit.getByText("Not proven").waitFor();

  await anna.goto(anna.at + "/grants");
  await press(anna, "End this sharing with kidneys");
  await anna.getByText("ended by you").first().waitFor();
  await anna.goto(anna.at + "/backup");
  const [everything] = await Promise.all([
    anna.waitForEvent("download"), press(anna, "Save the export"),
  ]);
  assert.equal(everything.suggestedFilename(), "my-records.tar");
  for (const page of [hospital, anna, institute, audit]) await page.context().close();
  settle();
}

test("two browsers play the whole story", () => story(true));
test("the same without JavaScript", () => story(false));

test("a picture, a document and a message are read in the browser", async () => {
  const window = await page(hers, "anna");
  for (const [name, words] of Object.entries({
    "phantom.ct.dcm": "Water phantom, quality check",
    "ni-shamplach.ccda.xml": "Shamplach",
    "d-essai.oru.hl7": "Hemoglobin [Mass/volume] in Blood",
  })) {
    const record = cast.publish(join(SAMPLES, name));
    await until(window, `/records/${record}`, "accepted");
    assert.ok((await window.locator("main").innerText()).includes(words), name);
    // Decoded by the browser, as large as the file says.
    const pictures = await window.evaluate(() => [...document.querySelectorAll("main img")]
      .map((image) => [image.complete, image.naturalWidth, image.naturalHeight]));
    assert.deepEqual(pictures, name.endsWith("dcm") ? [[true, 128, 128]] : [], name);
    await check(window, name);
    await shoot(window, `format-${name}`, true);
  }
  await window.context().close();
  settle();
});

test("a record's next version is published in the browser", async () => {
  const record = cast.publish(join(SAMPLES, "d-essai.oru.hl7"));
  const window = await page(theirs, "riverside");
  const anna = await page(hers, "anna");
  await until(anna, `/records/${record}`, "accepted");
  await window.goto(window.at + "/publish");
  await window.getByLabel("For which patient").selectOption({ label: "anna" });
  await window.locator("select[name=record]").selectOption(record);
  await window.getByLabel("File of the record").setInputFiles(RECORD);
  await press(window, "Sign and publish");
  await window.waitForURL("**/published");
  await until(anna, `/records/${record}`, "Health record (FHIR)");
  for (const page of [window, anna]) await page.context().close();
  settle();
});

test("an upload shows how far it is", async () => {
  const window = await page(theirs, "riverside");
  const name = "Sign and publish";
  const file = join(cast.folder, "long.txt");
  writeFileSync(file, "Nothing to report, at length.\n".repeat(20_000));
  await window.goto(window.at + "/publish");
  await window.getByLabel("For which patient").selectOption({ label: "anna" });
  await window.getByLabel("File of the record").setInputFiles(file);
  // Over a poor line: six seconds for the file.
  const line = await window.context().newCDPSession(window);
  await line.send("Network.enable");
  await line.send("Network.emulateNetworkConditions", {
    offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 100_000,
  });
  await press(window, name);
  const bar = window.getByRole("progressbar", { name });
  await bar.waitFor();
  assert.ok(await window.getByRole("button", { name }).isDisabled(), "sent once");
  const seen = [];
  while (new Set(seen.map(([value]) => value)).size < 3) {
    const now = await bar.evaluate((bar) => bar.hasAttribute("value") && [bar.value, bar.max]);
    if (now) seen.push(now);
  }
  seen.reduce(([before], [value, most]) => {
    assert.ok(before <= value && value < most && most > 600_000, `${seen}`);
    return [value];
  }, [0]);
  await window.waitForURL("**/published");
  await until(window, "/published", "accepted");
  await window.context().close();
  settle();
});

// What the README says: nothing but the demo and its links.
test("from the demo to a shared record", { skip: !LONG }, async () => {
  const begin = Date.now();
  const demo = spawn(process.env.MEDSHARE_PROGRAM, ["demo", "--serve", "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const gone = new Promise((done) => demo.once("exit", done));
  try {
    const found = {};
    for await (const line of createInterface({ input: demo.stdout })) {
      const { step, text } = JSON.parse(line);
      const link = step === "page" && /^(.*)'s page: (http:.*)$/.exec(text);
      if (link) found[link[1]] = link[2];
      if (Object.keys(found).length === 6) break;
    }
    const mara = await open(hers, found.Mara);
    await until(mara, "/requests", "Helix");
    await mara.getByRole("link", { name: /^Read and answer/ }).first().click();
    await press(mara, "Yes, share this");
    await mara.waitForURL("**/grants");
    const helix = await open(theirs, found.Helix);
    await until(helix, "/opened", "What Mara shares with you");
    await helix.getByRole("link", { name: "Open the data of Mara" }).first().click();
    await press(helix, "Ask the agent");
    await helix.getByRole("link", { name: /^Read laboratory results/ }).first().click();
    await helix.getByText("Signature of Northgate verified").waitFor();
    for (const who of ["Tomas", "Ines", "Northgate", "the auditor"]) {
      const window = await open(theirs, found[who]);
      await check(window, who);
      await window.context().close();
    }
    const seconds = (Date.now() - begin) / 1000;
    console.log(`# from the demo to a shared record: ${seconds.toFixed(0)} s`);
    assert.ok(seconds < 300, "five minutes");
  } finally {
    demo.kill("SIGTERM");
    await gone;
  }
  settle();
});

// -- every page, in every light

const PLACES = {
  anna: ["/records", "/requests", "/grants", "/accesses", "/credit", "/backup", "/nothing"],
  riverside: ["/publish", "/published", "/agent", "/ranking", "/vouchers"],
  brigid: ["/agent", "/ranking"],
  kidneys: ["/ask", "/request", "/asked", "/opened"],
  audit: ["/log", "/verify", "/statistics"],
};

const LIGHTS = [
  { name: "phone-dark", viewport: PHONE, colorScheme: "dark" },
  ...(LONG ? [
    { name: "phone-light", viewport: PHONE },
    { name: "desk-dark", viewport: DESK, colorScheme: "dark" },
    { name: "phone-german", viewport: PHONE, locale: "de-DE" },
  ] : []),
];

for (const { name, ...options } of LIGHTS) {
  test(`every page on ${name}`, async () => {
    for (const [home, paths] of Object.entries(PLACES)) {
      const window = await page(home === "anna" ? hers : theirs, home, options);
      for (const path of paths) {
        await window.goto(window.at + path);
        await check(window, `${name} ${home} ${path}`);
        await shoot(window, `${name}-${home}${path.replaceAll("/", "-")}`, true);
        // Below a list, one of what it lists.
        const below = window.locator(`main a[href^="${path}/"], main a[href^="/operations/"]`);
        if (await below.count() === 0 || path === "/nothing") continue;
        await window.goto(window.at + await below.first().getAttribute("href"));
        await check(window, `${name} ${home} below ${path}`);
        await shoot(window, `${name}-${home}${path.replaceAll("/", "-")}-one`, true);
      }
      await window.context().close();
    }
    settle();
  });
}

test("the keyboard is enough to answer a request", async () => {
  const words = ["--patient", cast.anna, "--class", "laboratory", "--purpose", "research"];
  cast.run("request", "create", ...words, "--home", "kidneys");
  const window = await page(hers, "anna");
  await until(window, "/requests", "kidneys");
  // The first stop leads past the menu.
  await window.keyboard.press("Tab");
  assert.equal(await window.evaluate(() => document.activeElement.className), "skip");
  await window.keyboard.press("Enter");
  await window.keyboard.press("Tab");
  await window.keyboard.press("Enter");
  await window.getByRole("heading", { name: "What cannot be undone" }).waitFor();
  const deny = window.getByRole("button", { name: "No, do not share" });
  for (let turn = 0; turn < 60; turn += 1) {
    await window.keyboard.press("Tab");
    if (await deny.evaluate((button) => button === document.activeElement)) break;
  }
  await window.keyboard.press("Enter");
  await window.waitForURL("**/requests");
  assert.deepEqual(window.faults, []);
  await window.context().close();
});

// -- records that attack

const SCRIPT = "<script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\">"
  + "<svg onload=\"window.hacked=1\"></svg><a href=\"javascript:window.hacked=1\">x</a>";
// What says how a bundle is built; everything else is text that somebody wrote.
const BUILT = new Set(["resourceType", "type", "fullUrl", "status", "reference"]);

function poisoned(value, name) {
  if (typeof value === "string") return BUILT.has(name) ? value : value + SCRIPT;
  if (Array.isArray(value)) return value.map((one) => poisoned(one, name));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, poisoned(inner, name)]),
  );
}

test("script in every text field of a record stays text", async () => {
  const read = (name) => readFileSync(join(SAMPLES, name), "utf8");
  const fhir = JSON.stringify(poisoned(JSON.parse(read("beispiel-mueller.fhir.json")), ""));
  assert.ok(fhir.split("onerror").length > 50);
  // Between any two marks of these formats, too, but for their first lines.
  const hl7 = read("d-essai.oru.hl7").split(/\r?\n|\r/).map((line, at) =>
    at === 0 ? line : line.split("|").map((field, at) => at < 3 ? field : field + SCRIPT.replace(/[|^~\\&]/g, "")).join("|"),
  ).join("\r");
  const escaped = SCRIPT.replaceAll("<", "&lt;").replaceAll("\"", "&quot;");
  const ccda = read("ni-shamplach.ccda.xml").replace(/>([^<>]*\w[^<>]*)</g, `>$1${escaped}<`);
  const raw = read("ni-shamplach.ccda.xml").replace(/<(td|paragraph|content)\b([^>]*)>/g, `<$1$2>${
    SCRIPT.replace("src=x", "src=\"x\"").replace("=1\">", "=1\"/>")}`);
  const window = await page(hers, "anna");
  for (const [name, text] of Object.entries({ fhir, hl7, ccda, raw, plain: SCRIPT })) {
    const file = join(cast.folder, `poison-${name}`);
    writeFileSync(file, text);
    const record = cast.publish(file);
    await until(window, `/records/${record}`, "accepted");
    // Nothing was made of it that a browser runs, loads or follows.
    const made = await window.evaluate(() => ({
      hacked: window.hacked ?? false,
      scripts: document.querySelectorAll("main script, main svg[onload], main [onerror]").length,
      pictures: [...document.images].filter((image) => !image.src.startsWith("data:")).length,
      links: [...document.links].filter((link) => link.protocol !== "http:").length,
    }));
    assert.deepEqual(made, { hacked: false, scripts: 0, pictures: 0, links: 0 }, name);
    if (name !== "raw") assert.match(await window.locator("main").innerText(), /window\.hacked/, name);
    await check(window, `poisoned ${name}`);
    await shoot(window, `poisoned-${name}`);
  }
  await window.context().close();
  settle();
});
