// componentize-js imports preview2-shim without naming it among its dependencies, so package.json does.
// `node build.mjs <folder of the WIT package> <world> <component>`
import { componentize } from "@bytecodealliance/componentize-js";
import { writeFile } from "node:fs/promises";

const [witPath, worldName, to] = process.argv.slice(2);
const { component } = await componentize({ sourcePath: "plugin.js", witPath, worldName });
await writeFile(to, component);
