// Unpacks the Chromium that the package carries, the libraries that it needs and a font, so that the machine needs none.
import { mkdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const packed = fileURLToPath(new URL("node_modules/@sparticuz/chromium/bin/", import.meta.url));
process.env.TMPDIR = fileURLToPath(new URL("node_modules/.chromium", import.meta.url));
mkdirSync(process.env.TMPDIR, { recursive: true });
const { inflate } = await import("@sparticuz/chromium"); // it unpacks into the folder for temporary files
await Promise.all((await readdir(packed)).map((name) => inflate(packed + name)));
