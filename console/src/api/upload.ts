import { refusal, unreachable } from "./errors";
import { parsed, queryText, type Call } from "./request";
import { accessToken, renew, signOut } from "./session";

interface Upload {
  file: Blob;
  query: Call["query"];
  headers: Record<string, string>;
  signal: AbortSignal;
  /** Told how many bytes of the file are on their way. */
  onSent: (bytes: number) => void;
}

/**
 * Sends a file of any size as the body of a POST; the browser reads it as it goes. `fetch` could do so too, but says nothing until
 * the answer is there.
 */
export async function upload(path: string, asked: Upload): Promise<unknown> {
  const url = path + queryText(asked.query);
  let answer = await send(url, asked);
  if (answer.status === 401) {
    await renew();
    answer = await send(url, asked);
    if (answer.status === 401) signOut("expired");
  }
  const body = parsed(answer.responseText);
  if (answer.status < 200 || answer.status > 299) {
    throw refusal(answer.status, body, answer.getResponseHeader("Retry-After"));
  }
  return body;
}

async function send(url: string, asked: Upload): Promise<XMLHttpRequest> {
  const token = await accessToken();
  asked.signal.throwIfAborted();
  const { promise, resolve, reject } = withResolvers<XMLHttpRequest>();
  const call = new XMLHttpRequest();
  const abort = () => call.abort();
  asked.signal.addEventListener("abort", abort);
  call.open("POST", url);
  const headers = { Accept: "application/json", ...asked.headers, Authorization: `Bearer ${token}` };
  for (const [name, value] of Object.entries(headers)) call.setRequestHeader(name, value);
  call.upload.onprogress = (event) => asked.onSent(event.loaded);
  call.onload = () => resolve(call);
  call.onerror = () => reject(unreachable());
  call.onabort = () => reject(new DOMException("The file is not sent any more.", "AbortError"));
  call.send(asked.file);
  try {
    return await promise;
  } finally {
    asked.signal.removeEventListener("abort", abort);
  }
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((one, other) => {
    resolve = one;
    reject = other;
  });
  return { promise, resolve, reject };
}

/** A random UUID; `crypto.randomUUID` is missing where the console is served by plain http from another machine. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
