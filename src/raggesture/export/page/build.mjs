// Bundles src/main.js and src/page.css into bundle/, with the licence of three.js and the digest of the sources on top.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const sources = ["build.mjs", "package-lock.json", "package.json", ...readdirSync("src").map((name) => `src/${name}`)].sort();
const digest = createHash("sha256");
for (const name of sources) digest.update(`${name}\0`).update(readFileSync(name)).update("\0");
const head = `/* raggesture page, built by build.mjs; sources sha256 ${digest.digest("hex")} */`;
const licence = `/*! Contains three.js.\n${readFileSync("node_modules/three/LICENSE", "utf8").trim()}\n*/`;

const common = { bundle: true, minify: true, write: false, charset: "ascii", legalComments: "inline", logLevel: "warning" };
const script = await build({ ...common, entryPoints: ["src/main.js"], format: "iife", target: ["chrome103", "firefox113", "safari16.4"] });
const style = await build({ ...common, entryPoints: ["src/page.css"] });
writeFileSync("bundle/page.js", `${head}\n${licence}\n${script.outputFiles[0].text}`);
writeFileSync("bundle/page.css", `${head}\n${style.outputFiles[0].text}`);
