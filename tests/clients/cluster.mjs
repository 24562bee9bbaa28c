// Two nodes on one PostgreSQL behind a proxy that never sends two requests in a row to the same node.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { createServer as listener } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const postgres = fileURLToPath(new URL('../postgres', import.meta.url));
export const API_KEY = 'the key of an administrator of two nodes';

/** A port that nobody listens on. */
export async function freePort() {
  const server = listener().listen(0, '127.0.0.1');
  await new Promise((ready) => server.on('listening', ready));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Hands requests to nodes in turn. What a node that is gone should have answered is 502. */
class Proxy {
  nodes = [];
  served = [];
  turn = 0;

  async start() {
    this.server = createServer((asked, answer) => {
      this.turn = (this.turn + 1) % this.nodes.length;
      const node = this.nodes[this.turn];
      this.served.push(node.name);
      const to = new URL(node.url);
      const { headers, method, url: path } = asked;
      const passed = forward({ host: to.hostname, port: to.port, method, path, headers, agent: false }, (got) => {
        answer.writeHead(got.statusCode, got.rawHeaders);
        got.pipe(answer).on('error', () => answer.destroy());
        got.on('error', () => answer.destroy());
      });
      passed.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end('{"error":"the node is gone"}')));
      asked.pipe(passed);
    }).listen(0, '127.0.0.1');
    await new Promise((ready) => this.server.on('listening', ready));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  /** The next request goes to this node. */
  next(node) {
    this.turn = (this.nodes.indexOf(node) + this.nodes.length - 1) % this.nodes.length;
  }

  stop() {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}

/** A process of the service. */
export class Node {
  log = '';

  constructor(name, words) {
    Object.assign(this, { name, words });
  }

  async start() {
    this.port ??= await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    const { VESTIBULE_URL: _, VESTIBULE_API_KEY: __, ...env } = process.env;
    this.process = spawn(process.env.VESTIBULE_BINARY, ['serve', '--listen', `127.0.0.1:${this.port}`, '--log', 'warn', ...this.words], {
      env: { ...env, VESTIBULE_ADMIN_API_KEY: API_KEY }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.gone = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.stderr.on('data', (text) => { this.log += text; });
    await new Promise((resolve, reject) => {
      let said = '';
      this.process.stdout.on('data', (text) => { said += text; if (/^listening on /m.test(said)) resolve(); });
      this.gone.then(() => reject(new Error(`node ${this.name} does not start:\n${said}${this.log}`)));
    });
  }

  async end(signal) {
    this.process.kill(signal);
    await this.gone;
  }
}

/** Starts everything, each node with these words beside the usual ones; answers the proxy, the nodes, and how to end it. */
export async function cluster(words = []) {
  const folder = mkdtempSync(join(tmpdir(), 'nodes-'));
  const proxy = new Proxy();
  let nodes = [];
  const stop = async () => {
    for (const node of nodes) if (node.process) await node.end('SIGKILL');
    proxy.stop();
    execFileSync(postgres, ['stop', join(folder, 'pg')]);
    rmSync(folder, { recursive: true, force: true });
  };
  // A test that takes too long is ended: nothing of it is left.
  process.once('SIGTERM', () => stop().finally(() => process.exit(1)));
  try {
    const database = execFileSync(postgres, ['start', join(folder, 'pg')], { encoding: 'utf8' }).trim();
    await proxy.start();
    const shared = ['--database-url', database, '--public-url', proxy.url, '--master-key-file', join(folder, 'master.key'), ...words];
    nodes = ['one', 'two'].map((name) => new Node(name, [...shared, '--data-dir', join(folder, name)]));
    proxy.nodes = nodes;
    for (const node of nodes) await node.start();
    return { proxy, nodes, apiKey: API_KEY, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
