// The story of the README, command by command: what it prints is what the program prints.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { apiKey, call, passwordGrant, url } from './support.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const story = [...readme.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, text]) => text).join('\n');
const steps = story.split(/^\$ /m).slice(1).map((step) => {
  const [command, ...printed] = step.trim().split('\n');
  return { command, printed: printed.join('\n') };
});
let folder;
let ran = false;

const named = async (name) => (await call('GET', `/v2/resource_instances?name=${name}`)).resources.map(({ guid }) => guid);

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'readme-'));
  mkdirSync(join(folder, 'vestibule-data'));
  writeFileSync(join(folder, 'vestibule-data', 'admin-api-key'), apiKey);
  symlinkSync(join(root, 'docs'), join(folder, 'docs'));
  writeFileSync(join(folder, 'secret.txt'), 'a secret for the journey\n');
  for (const name of ['old', 'new']) assert.deepEqual(await named(name), [], `an instance is named ${name} already: the story needs the name`);
});
after(async () => {
  for (const name of ['old', 'new']) {
    const [guid] = await named(name);
    if (ran && guid) await call('DELETE', `/v2/resource_instances/${guid}`, { expect: 204 });
  }
  rmSync(folder, { recursive: true });
});

/** Without what differs from run to run. */
const plain = (text) => text.replaceAll(url, 'http://127.0.0.1:8080')
  .replace(/~(?=\/\.config)/g, 'HOME').replaceAll(folder, 'HOME')
  .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'GUID').replace(/a\/[0-9a-f]{32}:/g, 'a/ACCOUNT:')
  .replace(/"secret": ".{48}"/g, '"secret": "…"').replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').trim();

test('the story in ten commands prints what the README shows', async () => {
  assert.equal(steps.filter(({ command }) => command.startsWith('vestibule ')).length, 10);
  const env = { PATH: `${dirname(process.env.VESTIBULE_BINARY)}${delimiter}${process.env.PATH}`, HOME: folder, VESTIBULE_URL: url, LC_ALL: 'C.UTF-8' };
  ran = true;
  for (const { command, printed } of steps) {
    const said = plain(execFileSync('bash', ['-c', `${command} 2>&1`], { cwd: folder, env, encoding: 'utf8' }));
    // A line with nothing but … stands for lines that are left out.
    const pattern = plain(printed).split(/^\s*…$/m).map((part) => part.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[\\s\\S]*');
    assert.match(said, new RegExp(`^${pattern}$`), command);
  }
  // The passwords that docs/examples/README.md names open the new side.
  const [guid] = await named('new');
  const { applications: [shop] } = await call('GET', `/management/v4/${guid}/applications`);
  for (const name of ['ada', 'grace', 'alan']) {
    const got = await passwordGrant(guid, shop, `${name}@example.org`, `correct horse battery ${name}`);
    assert.equal(got.status, 200, JSON.stringify(got.body));
  }
});
