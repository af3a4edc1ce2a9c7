// SPDX-License-Identifier: Apache-2.0
// The manual: docs/*.md, docs/protocols and docs/formats as static pages in dist/docs, with one style sheet and no script.
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

const style = `:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 48rem; padding: 1rem; }
nav a { margin-right: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top; }
pre { background: color-mix(in srgb, currentColor 7%, transparent); overflow-x: auto; padding: .8rem; }
code { font: 13px/1.4 ui-monospace, monospace; }
a { color: LinkText; }
`;

const list = [];
for (const file of [...pagesOf(docs), ...pagesOf(join(docs, "protocols")), ...pagesOf(join(docs, "formats"))]) {
  const text = readFileSync(file, "utf8");
  const name = relative(docs, file).replace(/\.md$/, "");
  const title = /^# (.+)$/m.exec(text)?.[1] ?? name;
  const to = join(out, `${name}.html`);
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, page(title, marked.parse(text), name.includes("/")));
  list.push(`<li><a href="/docs/${name}">${escape(title)}</a></li>`);
}
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "index.html"), page("Manual", `<h1>Manual</h1>\n<ul>\n${list.join("\n")}\n</ul>`, 0));
writeFileSync(join(web, "dist", "assets", "manual.css"), style);
console.log(`manual: ${list.length} pages`);
