import { refusal, unreachable } from "./errors";
import { accessToken, renew, signOut } from "./session";

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Makes one call with the session's token and answers the parsed body, `undefined` where there is none. */
export async function request<T>(path: string, call: Call = {}): Promise<T> {
  return (await bodyOf(await open(path, call))) as T;
}

/** Makes one call and answers with its body unread, for what comes as a stream. */
export async function open(path: string, call: Call = {}): Promise<Response> {
  const url = path + queryText(call.query);
  let answer = await send(url, call);
  if (answer.status === 401) {
    // The token may have been revoked or the service's keys renewed; one new token is worth a try.
    await renew();
    answer = await send(url, call);
    if (answer.status === 401) signOut("expired");
  }
  if (!answer.ok) throw refusal(answer.status, await bodyOf(answer), answer.headers.get("Retry-After"));
  return answer;
}

/** One path segment, escaped. */
export function segment(value: string): string {
  return encodeURIComponent(value);
}

async function bodyOf(answer: Response): Promise<unknown> {
  return parsed(await answer.text().catch(() => ""));
}

export function parsed(text: string): unknown {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

async function send(url: string, call: Call): Promise<Response> {
  const headers: Record<string, string> = {
    Accept: "application/json",
    ...call.headers,
    Authorization: `Bearer ${await accessToken()}`,
  };
  let body: string | undefined;
  if (call.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(call.body);
  }
  try {
    return await fetch(url, {
      method: call.method ?? "GET",
      headers,
      body,
      signal: call.signal,
      credentials: "omit",
      cache: "no-store",
    });
  } catch (error) {
    if (call.signal?.aborted) throw error;
    throw unreachable();
  }
}

export function queryText(query: Call["query"]): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== "");
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
