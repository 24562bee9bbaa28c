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
  const url = path + queryText(call.query);
  let answer = await send(url, call);
  if (answer.status === 401) {
    // The token may have been revoked or the service's keys renewed; one new token is worth a try.
    await renew();
    answer = await send(url, call);
    if (answer.status === 401) signOut("expired");
  }
  const text = await answer.text().catch(() => "");
  let body: unknown;
  try {
    body = text ? JSON.parse(text) : undefined;
  } catch {
    body = undefined;
  }
  if (!answer.ok) throw refusal(answer.status, body, answer.headers.get("Retry-After"));
  return body as T;
}

/** One path segment, escaped. */
export function segment(value: string): string {
  return encodeURIComponent(value);
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

function queryText(query: Call["query"]): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== "");
  if (given.length === 0) return "";
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
