// Opens a report.html from disk in headless Chromium and looks at it as a reader would: no error
// on the console, no request leaves the file, sort and filter work, the page shows the numbers of
// report.json, nothing overflows at 400 pixels, light and dark. With axe-core beside it (a folder
// that holds `axe.min.js`), no serious violation either.
//
//   node docs/validation/check_page.mjs RUN_DIR [--axe FOLDER] [--shots FOLDER]
//
// Needs Chromium (CHROMIUM=..., else `chromium`), Node 20 and nothing else: it speaks to the
// browser over a pipe. Exits with 1 on the first page that fails.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const args = process.argv.slice(2);
const option = name => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args.splice(at, 2)[1];
};
const axe = option("--axe");
const shots = option("--shots");
const run = resolve(args[0] ?? ".");
const page = pathToFileURL(join(run, "report.html")).href;
const data = JSON.parse(readFileSync(join(run, "report.json"), "utf8"));

const profile = mkdtempSync(join(tmpdir(), "check-page-"));
const browser = spawn(process.env.CHROMIUM ?? "chromium", [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
  "--disable-background-networking", `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank",
], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });

let next = 0, buffer = "";
const waiting = new Map(), listeners = [];
browser.stdio[4].on("data", bytes => {
  buffer += bytes;
  const messages = buffer.split("\0");
  buffer = messages.pop();
  for (const text of messages) {
    const message = JSON.parse(text);
    if (message.id) {
      const { resolve, reject } = waiting.get(message.id);
      waiting.delete(message.id);
      message.error ? reject(new Error(message.error.message)) : resolve(message.result);
    } else listeners.forEach(listen => listen(message));
  }
});
const send = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
  waiting.set(++next, { resolve, reject });
  browser.stdio[3].write(JSON.stringify({ id: next, method, params, sessionId }) + "\0");
});

const failures = [];
const expect = (holds, words) => {
  console.log(`${holds ? "ok  " : "FAIL"} ${words}`);
  if (!holds) failures.push(words);
};

try {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const on = (method, params) => send(method, params, sessionId);
  const evaluate = async expression => {
    const { result, exceptionDetails } = await on("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  const errors = [], requests = [];
  listeners.push(({ method, params }) => {
    if (method === "Runtime.exceptionThrown") errors.push(params.exceptionDetails.text);
    if (method === "Log.entryAdded" && params.entry.level === "error") errors.push(params.entry.text);
    if (method === "Runtime.consoleAPICalled" && params.type === "error") errors.push("console.error");
    if (method === "Network.requestWillBeSent") requests.push(params.request.url);
  });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await on(`${domain}.enable`);
  const open = async (width, scheme) => {
    await on("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 });
    await on("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    const loaded = new Promise(done => listeners.push(({ method }) => method === "Page.loadEventFired" && done()));
    await on("Page.navigate", { url: page });
    await loaded;
  };
  const shoot = async (name, full = true) => {
    if (!shots) return;
    mkdirSync(shots, { recursive: true });
    const { data } = await on("Page.captureScreenshot", { format: "png", captureBeyondViewport: full });
    writeFileSync(join(shots, `${name}.png`), Buffer.from(data, "base64"));
  };

  await open(1200, "light");
  const rows = await evaluate("document.querySelectorAll('#cells-table tbody tr').length");
  expect(rows === data.cells.length, `${rows} rows for ${data.cells.length} configurations`);
  const headline = await evaluate("document.querySelector('h1').textContent");
  expect(headline === data.verdict.headline, `the headline is the verdict's: ${headline}`);
  const names = "[...document.querySelectorAll('#cells-table tbody tr')].map(row => row.dataset.n)";
  expect(JSON.stringify(await evaluate(names)) === JSON.stringify(data.cells.map(it => it.cell)), "rows in the order of report.json");

  // Every bar's number, read back, is the one of report.json.
  const objectives = data.measures.filter(it => it.role === "objective").slice(0, 3);
  const shift = data.objectives.length > 1 ? 1 : 0;
  const values = await evaluate("[...document.querySelectorAll('#cells-table tbody tr')].map(row => ({...row.dataset}))");
  const off = values.flatMap((row, at) => objectives.map((measure, n) => {
    const asked = measure.estimates[at]?.mean, found = row[`v${n + shift}`];
    return asked == null ? found === "" || found === undefined : Math.abs(Number(found) - asked) <= 1e-5 * Math.abs(asked);
  })).filter(holds => !holds).length;
  expect(off === 0, `numbers read back from ${values.length * objectives.length} bars`);

  // Sorting: numbers in order both ways, rows without one last.
  for (const direction of ["ascending", "descending"]) {
    await evaluate(`document.querySelector('th[data-s=v${shift}] button')?.click()`);
    const sorted = await evaluate(`[...document.querySelectorAll('#cells-table tbody tr')].map(row => row.dataset.v${shift} ?? "")`);
    const known = sorted.filter(it => it !== "").map(Number);
    const inOrder = known.every((it, at) => at === 0 || (direction === "ascending" ? known[at - 1] <= it : known[at - 1] >= it));
    const last = sorted.slice(0, known.length).every(it => it !== "");
    expect(inOrder && last, `sorted ${direction}, the dead last`);
  }
  const ranked = data.cells.filter(it => it.standing === "ranked").length;
  await evaluate("document.querySelector('#ctl button[data-m=ranked]')?.click()");
  const announced = await evaluate("document.getElementById('count')?.textContent");
  expect(ranked === 0 || announced === `${ranked} of ${rows} configurations`, `filter: ${announced}`);
  await evaluate("document.querySelector('#ctl button[data-m=all]')?.click(); const q = document.getElementById('q'); if (q) { q.value = 'no such configuration'; q.dispatchEvent(new Event('input')) }");
  const none = await evaluate("document.getElementById('count')?.textContent");
  expect(rows === 0 || none === `0 of ${rows} configurations`, `text filter: ${none}`);

  // A point says its numbers to a keyboard.
  const tip = await evaluate("(() => { const p = document.querySelector('.pt'); if (!p) return null; p.focus(); const t = document.getElementById('tip'); return t.style.display + ' ' + t.textContent })()");
  expect(tip === null || tip.startsWith("block "), `a point says: ${JSON.stringify(tip)}`);

  // Any two metrics: as many points as configurations have both numbers.
  const choice = "document.getElementById('xy')";
  if (await evaluate(`${choice} !== null`)) {
    const offered = await evaluate(`JSON.parse(${choice}.dataset.xy).metrics.map(it => it.v.map(v => v !== null))`);
    let wrong = 0;
    for (let x = 0; x < Math.min(offered.length, 6); x++) for (let y = 0; y < Math.min(offered.length, 6); y++) {
      const drawn = await evaluate(`(() => {
        for (const [side, to] of [["x", ${x}], ["y", ${y}]]) { const select = document.getElementById("xy-" + side); select.value = to; select.dispatchEvent(new Event("change")) }
        return document.querySelectorAll("#xy circle").length })()`);
      const both = offered[x].filter((has, at) => has && offered[y][at]).length;
      if (drawn !== (both < 2 ? 0 : both)) wrong++;
    }
    expect(wrong === 0, `any two of ${offered.length} metrics can be chosen`);
  }

  for (const scheme of ["light", "dark"]) {
    for (const width of [1200, 400]) {
      await open(width, scheme);
      const over = await evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      expect(over <= 0, `${scheme}, ${width} pixels: ${over} pixels of overflow`);
      await shoot(`${scheme}-${width}`);
    }
  }
  const dark = await evaluate("getComputedStyle(document.body).backgroundColor");
  expect(dark === "rgb(20, 23, 26)", `dark ground: ${dark}`);

  if (axe) {
    for (const scheme of ["light", "dark"]) {
      await open(1200, scheme);
      await evaluate("document.querySelectorAll('details').forEach(it => it.open = true)");
      await evaluate(readFileSync(join(axe, "axe.min.js"), "utf8") + ";0");
      const found = await evaluate("axe.run().then(it => it.violations.map(v => [v.impact, v.id, v.nodes.length, v.nodes[0].target.join(' ')]))");
      found.forEach(it => console.log("     axe", it.join(" ")));
      expect(!found.some(([impact]) => impact === "serious" || impact === "critical"), `axe, ${scheme}: ${found.length} kinds of violations, none serious`);
    }
  }

  // Without the script everything but its buttons is there.
  await on("Emulation.setScriptExecutionDisabled", { value: true });
  await open(1200, "light");
  const { root } = await on("DOM.getDocument");
  const { nodeIds } = await on("DOM.querySelectorAll", { nodeId: root.nodeId, selector: "#cells-table tbody tr" });
  expect(nodeIds.length === data.cells.length, "without the script all rows are there");

  expect(errors.length === 0, `console: ${errors.length ? errors.join("; ") : "silent"}`);
  const outside = requests.filter(url => !url.startsWith("file:") || url !== page);
  expect(outside.length === 0, `requests beside the file itself: ${outside.length ? outside.join(" ") : "none"}`);
} finally {
  browser.kill();
  await new Promise(done => browser.on("exit", done));
  rmSync(profile, { recursive: true, force: true });
}
console.log(failures.length ? `${failures.length} failed` : "all well");
process.exit(failures.length ? 1 : 0);
