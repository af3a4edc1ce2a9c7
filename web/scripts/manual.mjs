// SPDX-License-Identifier: Apache-2.0
// The manual: docs/*.md, docs/manual, docs/protocols and docs/formats as static pages in dist/docs, with one style sheet and no script.
import { mkdirSync, readdirSync, readFileSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { marked } from "marked";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const docs = join(dirname(web), "docs");
const out = join(web, "dist", "docs");

function pagesOf(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => join(folder, name));
}

// Links between pages lose their ".md"; links out of docs/ become plain text's own address in the repository.
function relink(html) {
  return html.replace(/href="(?!https?:|#)([^"]*)\.md(#[^"]*)?"/g, 'href="$1$2"').replace(/ style="[^"]*"/g, "");
}

function escape(text) {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
}

function page(title, body, depth) {
  const up = depth ? "../" : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} · Stoa</title>
<link rel="stylesheet" href="/assets/manual.css">
</head>
<body>
<nav><a href="/">Stoa</a> <a href="/docs">Manual</a></nav>
<main>
${relink(body).replaceAll('href="docs/', `href="${up}`)}
</main>
</body>
</html>
`;
}

const style = `:root { color-scheme: light dark; --bg: #f7f7f5; --panel: #fff; --line: #e3e2dd; --text: #1d1e20; --dim: #5f6267; --accent: #0b6bcb; }
@media (prefers-color-scheme: dark) { :root { --bg: #121316; --panel: #191b1f; --line: #2a2d33; --text: #e6e7ea; --dim: #a0a5ae; --accent: #6db3f2; } }
body { font: 15px/1.55 system-ui, sans-serif; margin: 0; color: var(--text); background: var(--bg); }
nav { display: flex; gap: 1.2rem; padding: .7rem 1.2rem; background: var(--panel); border-bottom: 1px solid var(--line); font-size: 13px; }
nav a:first-child { font-weight: 650; color: var(--text); }
main { max-width: 50rem; margin: 0 auto; padding: .5rem 1.2rem 3rem; overflow-wrap: break-word; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 2em; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .9rem .35rem 0; text-align: left; vertical-align: top; }
th { color: var(--dim); font-weight: 500; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; padding: .7rem .9rem; }
code { font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
`;

// The order in which a person needs them; pages that are not named here come last.
const GROUPS = [
  ["Monitoring and logging in production, section by section", [
    "manual/infrastructure", "manual/statsd", "manual/application", "manual/synthetic", "manual/real-users", "manual/logging", "manual/log-inputs", "manual/log-clients", "manual/log-search", "manual/log-templates", "manual/patterns", "manual/traces", "manual/traceql", "manual/golden-signals", "manual/services-from-spans",
    "manual/business-metrics", "manual/alerting", "manual/notifications", "manual/correlation", "manual/coming-from", "manual/replicas", "manual/cost", "manual/cardinality",
    "manual/retention", "manual/erase", "manual/redaction", "manual/security", "manual/encryption", "manual/boards", "manual/import-export"]],
  ["Using it", ["host", "configuration", "scraping", "queries"]],
  ["Sending to it", ["protocols/otlp", "protocols/remote_write", "protocols/loki_push", "protocols/loki_query"]],
];

const pages = [];
for (const file of [...pagesOf(docs), ...pagesOf(join(docs, "manual")), ...pagesOf(join(docs, "protocols")), ...pagesOf(join(docs, "formats"))]) {
  const text = readFileSync(file, "utf8");
  const name = relative(docs, file).replace(/\.md$/, "");
  const title = /^# (.+)$/m.exec(text)?.[1] ?? name;
  const to = join(out, `${name}.html`);
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, page(title, marked.parse(text), name.includes("/")));
  pages.push({ name, title });
}

const named = GROUPS.flatMap(([, names]) => names);
const rest = pages.map((p) => p.name).filter((name) => !named.includes(name));
const list = [...GROUPS, ["Inside", rest]].map(([heading, names]) => {
  const found = names.flatMap((name) => pages.filter((p) => p.name === name));
  const items = found.map((p) => `<li><a href="/docs/${p.name}">${escape(p.title)}</a></li>`);
  return `<h2>${heading}</h2>\n<ul>\n${items.join("\n")}\n</ul>`;
});
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "index.html"), page("Manual", `<h1>Manual</h1>\n${list.join("\n")}`, false));
writeFileSync(join(web, "dist", "assets", "manual.css"), style);
console.log(`manual: ${pages.length} pages`);
