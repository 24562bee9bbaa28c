// A guide of docs/guides as somebody follows it: its files are written, its commands run, in the order in which they stand.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './cluster.mjs';
import { apiKey, url } from './support.mjs';

const here = fileURLToPath(new URL('./', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const packages = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).dependencies;
const requirements = readFileSync(join(root, 'tests/python/requirements.txt'), 'utf8');
const python = process.env.VESTIBULE_PYTHON;

/** The text of a guide. */
export const read = (name) => readFileSync(join(root, 'docs/guides', `${name}.md`), 'utf8');

/**
 * The blocks of a guide: `{file, text}` where the line before ends in the file's name and a colon, `{command}` for sh, `{printed}` for
 * text. Two things are not as written: the address of the service and the port 3000 are those of this run.
 */
function blocksOf(name, port) {
  const text = read(name).replaceAll('http://127.0.0.1:8080', url).replace(/\b3000\b/g, port);
  return [...text.matchAll(/(?:^`([\w.-]+)`:\n\n)?^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, file, language, body]) => {
    if (file) return { file, text: body };
    if (language === 'sh') return { command: body.trimEnd() };
    assert.equal(language, 'text', `${name}: a block that is neither file nor command nor output:\n${body}`);
    return { printed: body.trim() };
  });
}

const answers = (port) => new Promise((resolve) => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('connect', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

/** Somebody with the repository, a running service and a terminal, who follows one guide. */
export class Reader {
  said = '';
  #waiting;

  constructor(name, port) {
    this.name = name;
    this.port = port;
    this.site = `http://localhost:${port}`;
    this.api = `http://127.0.0.1:${port}`;
    this.blocks = blocksOf(name, port);
    this.home = mkdtempSync(join(tmpdir(), 'guide-'));
    const repository = join(this.home, 'vestibule');
    mkdirSync(join(repository, 'vestibule-data'), { recursive: true });
    writeFileSync(join(repository, 'vestibule-data', 'admin-api-key'), apiKey);
    mkdirSync(join(repository, 'target'));
    symlinkSync(dirname(process.env.VESTIBULE_BINARY), join(repository, 'target', 'release'));
    // A process group of its own, so that what is started in it ends with it.
    this.shell = spawn('bash', ['-e'], {
      cwd: repository,
      detached: true,
      env: { PATH: process.env.PATH, HOME: this.home, LC_ALL: 'C.UTF-8', VESTIBULE_URL: url, PYTHONUNBUFFERED: '1' },
    });
    this.shell.stdout.setEncoding('utf8');
    for (const stream of [this.shell.stdout, this.shell.stderr]) stream.on('data', (text) => { this.said += text; this.#waiting?.(); });
    this.shell.on('exit', () => { this.ended = true; this.#waiting?.(); });
  }

  static async of(name) {
    return new Reader(name, String(await freePort()));
  }

  /** Waits until the terminal shows what is looked for; answers the match. */
  async sees(pattern, from = 0) {
    for (;;) {
      const match = this.said.slice(from).match(pattern);
      if (match) return match;
      assert.ok(!this.ended, `${this.name}: the terminal ended:\n${this.said}`);
      await new Promise((resolve) => { this.#waiting = resolve; });
    }
  }

  /**
   * Follows the guide to its end. A command named in `serving` (with PORT for its port) goes on
   * while what comes next is done beside it; `served` is called whenever something has begun to serve. What the guide says to fill in
   * stands in capitals, and `blanks` answers what it is.
   */
  async follow({ serving = [], served = () => {}, blanks = {} } = {}) {
    const [first, ...rest] = this.blocks;
    assert.equal(first.command, 'cargo run --release -- serve', 'the service is running already');
    this.output = '';
    for (const block of rest) {
      if (block.file) writeFileSync(join(await this.folder(), block.file), block.text);
      else if (block.printed) this.compare(block.printed);
      else if (await this.run(await this.filled(block.command, blanks), serving)) await served(this);
    }
  }

  async filled(command, blanks) {
    let filled = command;
    for (const [blank, answer] of Object.entries(blanks)) if (command.includes(blank)) filled = filled.replace(blank, await answer(this));
    return filled;
  }

  async folder() {
    return (await this.type('pwd')).trim().split('\n').at(-1);
  }

  /** Runs a block; answers whether it has begun to serve. */
  async run(command, serving) {
    if (command.startsWith('npm install ')) {
      await this.npm(command);
      return false;
    }
    const lines = [];
    for (const line of command.split('\n')) lines.push(line.includes('-m venv ') ? await this.pip(line) : line);
    const written = lines.join('\n');
    const background = serving.includes(written.replace(this.port, 'PORT')) ? `${written} &` : written;
    this.output = await this.type(background);
    // What begins and what ends is waited for, as slow fingers would.
    const serves = background.endsWith('&');
    if (serves || written.startsWith('kill ')) while ((await answers(this.port)) !== serves) await this.pause();
    return serves;
  }

  async pause() {
    assert.ok(!this.ended, `${this.name}: the terminal ended:\n${this.said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Runs a command in the terminal and answers what it printed. */
  async type(command) {
    const from = this.said.length;
    // Without a standard input of their own, programs would read the commands that follow.
    this.shell.stdin.write(`{\n${command}\n} </dev/null\necho "<<done>>"\n`);
    const [shown] = await this.sees(/[^]*?<<done>>\n/, from);
    return shown.slice(0, -'<<done>>\n'.length);
  }

  /** The tests' own packages, pinned, in place of what the registry has today. */
  async npm(command) {
    for (const wanted of command.split(' ').slice(2)) {
      const [, name, major] = wanted.match(/^(.+)@(\d+)$/) ?? assert.fail(`${this.name}: ${wanted} says no version`);
      assert.equal(packages[name]?.split('.')[0], major, `${this.name}: ${wanted} is what the tests have`);
    }
    symlinkSync(join(here, 'node_modules'), join(await this.folder(), 'node_modules'));
  }

  async pip(line) {
    const [, name, major] = line.match(/^python3 -m venv venv && venv\/bin\/pip install '(\w+)(?:\[\w+\])?==(\d+)\.\*'$/) ?? assert.fail(line);
    assert.match(requirements, new RegExp(`^${name}==${major}\\.`, 'm'), `${this.name}: ${name} ${major} is what the tests have`);
    assert.ok(python, 'VESTIBULE_PYTHON names an interpreter that has tests/python/requirements.txt');
    // A link to a virtual environment's interpreter would lose the environment.
    mkdirSync(join(await this.folder(), 'venv', 'bin'), { recursive: true });
    writeFileSync(join(await this.folder(), 'venv', 'bin', 'python'), `#!/bin/sh\nexec '${python}' "$@"\n`, { mode: 0o755 });
    return ':';
  }

  /** What the last command printed is what the guide shows; ids differ, and … stands for anything in a line. */
  compare(printed) {
    const plain = (text) => text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'GUID').trim();
    const pattern = plain(printed).split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*');
    assert.match(plain(this.output), new RegExp(`^${pattern}$`), this.name);
  }

  close() {
    try { process.kill(-this.shell.pid, 'SIGKILL'); } catch { /* it ended by itself */ }
    rmSync(this.home, { recursive: true, force: true });
  }
}
