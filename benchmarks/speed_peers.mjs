// Lists every URL of some sites with its lastmod, with another program, as that program's users would.
//
// usage: node speed_peers.mjs NODE_MODULES sitemapper|sitemap SITES [AT_ONCE]
//
// SITES is a file of home pages, one a line. Prints {"urls": N, "lastmods": N}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

const [modules, reader, file, atOnce = "100"] = process.argv.slice(2);
const sites = readFileSync(file, "utf8").split("\n").filter(Boolean);
const found = createRequire(`${modules}/`);
const count = { urls: 0, lastmods: 0 };

function take(lastmod) {
  count.urls += 1;
  count.lastmods += lastmod ? 1 : 0;
}

// Neither of the two reads robots.txt: whoever uses them does.
async function named(site) {
  const response = await fetch(new URL("robots.txt", site));
  const text = response.ok ? await response.text() : "";
  const urls = [...text.matchAll(/^sitemap:\s*(\S+)/gim)].map((match) => match[1]);
  return urls.length ? urls : [new URL("sitemap.xml", site).href];
}

const readers = {
  async sitemapper() {
    const { default: Sitemapper } = await import(found.resolve("sitemapper"));
    const mapper = new Sitemapper({ timeout: 600_000, concurrency: 10, fields: { loc: true, lastmod: true } });
    return async (url) => {
      const { sites: entries } = await mapper.fetch(url);
      for (const entry of entries) take(entry.lastmod);
    };
  },

  async sitemap() {
    const { XMLToSitemapIndexStream, XMLToSitemapItemStream } = found("sitemap");
    const read = async (url) => {
      const response = await fetch(url);
      if (!response.ok) return;
      const body = Readable.fromWeb(response.body);
      const text = url.endsWith(".gz") ? body.pipe(createGunzip()) : body;
      // it has one parser for an index and another for the rest: the first bytes say which
      const first = await new Promise((resolve) => text.once("readable", () => resolve(text.read())));
      if (first === null) return;
      text.unshift(first);
      if (first.includes("<sitemapindex")) {
        const children = [];
        for await (const entry of text.pipe(new XMLToSitemapIndexStream())) children.push(entry.url);
        for (const child of children) await read(child);
      } else {
        const items = new XMLToSitemapItemStream({ logger: false });
        for await (const entry of text.pipe(items)) take(entry.lastmod);
      }
    };
    return read;
  },
};

const read = await readers[reader]();
const waiting = sites.values();
async function some() {
  for (const site of waiting) {
    for (const url of await named(site)) await read(url);
  }
}
await Promise.all(Array.from({ length: Math.min(Number(atOnce), sites.length) }, some));
console.log(JSON.stringify(count));
process.exit(0);
