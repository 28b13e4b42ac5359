// Chromium, and what every page must hold in it.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.MEDSHARE_BROWSER, "index.js"));
const { chromium } = require("playwright-core");
const { source: AXE } = require("axe-core");

const PICTURES = process.env.MEDSHARE_PICTURES;
mkdirSync(PICTURES, { recursive: true });

export const DESK = { width: 1100, height: 800 };
export const PHONE = { width: 360, height: 740 };

export const launch = () => chromium.launch({
  executablePath: process.env.MEDSHARE_CHROMIUM,
  // Tests run as root in containers, where Chromium has no sandbox.
  args: ["--no-sandbox", "--disable-gpu"],
});

// A browser's window on a page of ours, opened by its one-time link.
export async function open(browser, link, options = {}) {
  const { javaScript = true, colorScheme = "light", viewport = DESK, locale = "en-GB" } = options;
  const context = await browser.newContext({
    javaScriptEnabled: javaScript, colorScheme, viewport, locale, acceptDownloads: true,
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { page.faults.push("dialog"); dialog.dismiss(); });
  page.on("console", (message) => {
    // A refused form is an answer of 4xx, which the console tells as an error.
    if (message.type() === "error" && !message.text().includes("status of 4")) {
      page.faults.push(`console: ${message.text()}`);
    }
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.hostname !== "127.0.0.1") page.faults.push(`went to ${url}`);
  });
  if (link) {
    await page.goto(link);
    page.at = new URL(link).origin;
  }
  return page;
}

// Nothing went wrong, nothing is cut off, and whoever cannot see or point can use it. What does
// not hold is noted, so that one page does not hide the next; `settle` fails for it.
export async function check(page, where) {
  const complain = (what) => complaints.push(`${where}: ${what}`);
  page.faults.splice(0).forEach(complain);
  const { scroll, client } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth,
  }));
  if (scroll > client) complain(`${scroll - client} pixels too wide`);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  for (const { id, help, nodes } of violations) complain(`${id}: ${help}: ${nodes[0].html}`);
}

const complaints = [];

export function settle() {
  assert.deepEqual(complaints.splice(0), []);
}

export const shoot = (page, name, whole = false) =>
  page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: whole });

// Loads again until the page says so: other processes take a moment.
export async function until(page, path, words) {
  for (let turn = 0; turn < 150; turn += 1) {
    await page.goto(page.at + path);
    if ((await page.locator("main").innerText()).includes(words)) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  assert.fail(`${words} never came to ${path}: ${await page.locator("main").innerText()}`);
}
