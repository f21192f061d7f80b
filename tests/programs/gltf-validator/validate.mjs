// Prints what Khronos' validator says of a GLB: JSON with "issues".
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, file] = process.argv.slice(2);
const validator = createRequire(`${folder}/`)("gltf-validator");
const report = await validator.validateBytes(new Uint8Array(readFileSync(file)), { maxIssues: 100 });
console.log(JSON.stringify({ version: validator.version(), ...report }));
