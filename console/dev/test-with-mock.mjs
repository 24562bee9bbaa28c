// Runs the browser tests against the mock server.
import { spawn } from "node:child_process";
import { startMock } from "./mock-server.mjs";

const mock = await startMock();
const tests = spawn("npm", ["test", "--", ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, VESTIBULE_URL: mock.url, VESTIBULE_API_KEY: mock.apiKey, VESTIBULE_STAND_IN: "1" },
});
tests.on("exit", async (code) => {
  await mock.close();
  process.exit(code ?? 1);
});
