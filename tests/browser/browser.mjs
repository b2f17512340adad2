// Starts the unpacked Chromium. Exit code 3 says that it does not run on this machine.
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const unpacked = fileURLToPath(new URL("node_modules/.chromium/", import.meta.url));
const libraries = [process.env.LD_LIBRARY_PATH, `${unpacked}al2023/lib`].filter(Boolean).join(":");

export async function browser() {
  try {
    return await puppeteer.launch({
      executablePath: `${unpacked}chromium`,
      headless: "shell",
      args: ["--no-sandbox", "--disable-dev-shm-usage"], // CI is root in a container with little shared memory
      env: { FONTCONFIG_PATH: `${unpacked}fonts`, ...process.env, LD_LIBRARY_PATH: libraries },
    });
  } catch (error) {
    console.error(error.message);
    process.exit(3);
  }
}
