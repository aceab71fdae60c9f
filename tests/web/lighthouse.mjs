// Looks at pages with Lighthouse, one after the other in one browser: node lighthouse.mjs MODULES FORM CATEGORIES URL...
// FORM is desktop or phone. Prints a line of JSON for each page: its scores from 0 to 100, and what is wrong.
import { pathToFileURL } from "node:url";

const [modules, form, categories, ...urls] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(`${modules}/${path}`));
const { default: lighthouse, desktopConfig } = await load("lighthouse/core/index.js");
const { launch } = await load("chrome-launcher/dist/index.js");

const chrome = await launch({
  chromePath: "/usr/bin/chromium",
  chromeFlags: ["--headless", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    ...(process.getuid() === 0 ? ["--no-sandbox"] : [])],
});
try {
  for (const url of urls) {
    const options = { port: chrome.port, onlyCategories: categories.split(","), logLevel: "silent", output: "json" };
    const { lhr } = await lighthouse(url, options, form === "desktop" ? desktopConfig : undefined);
    const scores = {}, wrong = [];
    if (lhr.runtimeError) wrong.push(lhr.runtimeError.message);
    for (const category of Object.values(lhr.categories)) {
      scores[category.id] = Math.round(100 * category.score);
      for (const { id, weight } of category.auditRefs) {
        const audit = lhr.audits[id];
        if (!weight || audit.score === null || audit.score >= 0.9) continue;
        const nodes = (audit.details?.items ?? []).slice(0, 3).map((item) => item.node?.snippet ?? item.description ?? "");
        wrong.push([id, audit.displayValue, ...nodes].filter(Boolean).join(" "));
      }
    }
    console.log(JSON.stringify({ url, scores, wrong }));
  }
} finally {
  chrome.kill();
}
