// Goes through the page of a comparison by keyboard alone, and prints what happened and what stood there.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { browser } from "./browser.mjs";

const [url, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const told = { requests: [], errors: [], violations: {} };
const running = await browser();
const page = await running.newPage();
page.setDefaultTimeout(60_000);
page.on("request", (request) => told.requests.push(request.url()));
page.on("console", (message) => told.errors.push(message.text()));
page.on("pageerror", (error) => told.errors.push(error.message));
page.on("dialog", async (dialog) => {
  told.errors.push(`dialog: ${dialog.message()}`);
  await dialog.dismiss();
});

const text = (selector) => page.$eval(selector, (node) => node.textContent);
const seen = () =>
  page.evaluate(() => ({
    counts: document.getElementById("counts").textContent,
    page: document.getElementById("page").textContent,
    users: [...document.querySelectorAll("#rows tr")].map((row) => row.cells[0].innerText.split("\n")[0]),
    changes: [...new Set([...document.querySelectorAll("#rows tr")].map((row) => row.cells[2].innerText))],
  }));
const tabTo = async (id) => {
  for (let steps = 0; steps < 30; steps += 1) {
    if ((await page.evaluate(() => document.activeElement.id)) === id) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${id}`);
};

await page.setViewport({ width: 1280, height: 800 });
await page.goto(url);
told.heading = await text("h1");
told.before = await text("dd");
told.opened = await seen();
await tabTo("role");
await page.keyboard.type("tea");
told.teachers = await seen();
for (const [id, typed] of [
  ["school", "school-of-gained-9"],
  ["permission", "section:view"],
  ["change", "gained"],
  ["reason", "a new"],
]) {
  await tabTo(id);
  await page.keyboard.type(typed);
}
told.filtered = await seen();
await tabTo("clear");
await page.keyboard.press("Enter");
await page.waitForFunction((counts) => document.getElementById("counts").textContent === counts, {}, told.opened.counts);
await tabTo("next");
await page.keyboard.press("Enter");
told.turned = await seen();
await page.focus("#who");
await page.keyboard.type("old-4242");
told.searched = await seen();
for (const scheme of ["light", "dark"]) {
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  if (pictures) await page.screenshot({ path: `${pictures}/${scheme}.png` });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  told.violations[scheme] = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}
await page.setViewport({ width: 360, height: 700 });
told.overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
if (pictures) await page.screenshot({ path: `${pictures}/narrow.png` });
await running.close();
console.log(JSON.stringify(told));
