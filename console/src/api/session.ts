import { ApiError, refusal, unreachable } from "./errors";

// The session lives in this module's memory and nowhere else: not in storage, not in a cookie, not in the page. Closing or
// reloading the page ends it, and so does leaving the page alone for IDLE_LIMIT.

/** Milliseconds without a key, a click or a touch after which the session ends. */
export const IDLE_LIMIT = 15 * 60 * 1000;
/** Milliseconds before the end of an access token at which it is renewed. */
const RENEW_EARLY = 60 * 1000;

export type SignedOutReason = "" | "left" | "idle" | "expired";

interface Tokens {
  access: string;
  refresh: string;
  endsAt: number;
}

interface State {
  signedIn: boolean;
  reason: SignedOutReason;
}

let tokens: Tokens | null = null;
let state: State = { signedIn: false, reason: "" };
let lastActivity = 0;
let longTasks = 0;
let renewal: Promise<void> | null = null;
const listeners = new Set<() => void>();

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function snapshot(): State {
  return state;
}

/** Exchanges an API key for a session. The key is not kept. */
export async function signIn(apiKey: string): Promise<void> {
  try {
    tokens = await exchange({ grant_type: "urn:ibm:params:oauth:grant-type:apikey", apikey: apiKey });
  } catch (error) {
    if (error instanceof ApiError && (error.status === 400 || error.status === 401)) {
      throw new ApiError(
        error.status,
        error.code,
        "The service does not know this API key. Check it and try again.",
      );
    }
    throw error;
  }
  lastActivity = Date.now();
  publish({ signedIn: true, reason: "" });
}

export function signOut(reason: SignedOutReason): void {
  if (!tokens && !state.signedIn) return;
  tokens = null;
  publish({ signedIn: false, reason });
}

/** A valid access token. Ends the session, and throws, when there is none to be had. */
export async function accessToken(): Promise<string> {
  endIfIdle();
  if (tokens && Date.now() > tokens.endsAt - RENEW_EARLY) await renew();
  if (!tokens) throw new ApiError(401, "signed_out", "You are not signed in any more. Sign in again.");
  return tokens.access;
}

/** Gets a new access token, once for all callers that ask meanwhile. */
export function renew(): Promise<void> {
  renewal ??= renewNow().finally(() => {
    renewal = null;
  });
  return renewal;
}

/** Keeps the session from idling while `task` runs: an import may well take longer than a person watches it. */
export async function keepingAwake<T>(task: () => Promise<T>): Promise<T> {
  longTasks += 1;
  try {
    return await task();
  } finally {
    longTasks -= 1;
    lastActivity = Date.now();
  }
}

/** Starts watching for activity. Called once, by the entry point. */
export function watchActivity(): void {
  for (const event of ["pointerdown", "keydown", "wheel", "touchstart"]) {
    window.addEventListener(event, onActivity, { capture: true, passive: true });
  }
  document.addEventListener("visibilitychange", endIfIdle);
  // A page that comes back from the back/forward cache would bring its memory, and so the session, with it.
  window.addEventListener("pagehide", (event) => {
    if (event.persisted) signOut("left");
  });
  window.setInterval(endIfIdle, 5000);
}

function onActivity(): void {
  // A machine that slept runs no timers: the touch that wakes it must not revive a session that should have ended.
  endIfIdle();
  lastActivity = Date.now();
}

function endIfIdle(): void {
  if (tokens && longTasks === 0 && Date.now() - lastActivity >= IDLE_LIMIT) signOut("idle");
}

async function renewNow(): Promise<void> {
  const before = tokens;
  if (!before?.refresh) return signOut("expired");
  try {
    const renewed = await exchange({ grant_type: "refresh_token", refresh_token: before.refresh });
    // Signed out while the answer was on its way: stay signed out.
    if (tokens === before) tokens = renewed;
  } catch (error) {
    if (error instanceof ApiError && error.status >= 400 && error.status < 429) signOut("expired");
    throw error;
  }
}

async function exchange(form: Record<string, string>): Promise<Tokens> {
  let answer: Response;
  try {
    answer = await fetch("/identity/token", {
      method: "POST",
      body: new URLSearchParams(form),
      headers: { Accept: "application/json" },
      credentials: "omit",
      cache: "no-store",
    });
  } catch {
    throw unreachable();
  }
  const body = (await answer.json().catch(() => null)) as {
    access_token?: string;
    refresh_token?: string;
    expires_in?: number;
  } | null;
  if (!answer.ok || !body?.access_token) {
    throw refusal(answer.status, body, answer.headers.get("Retry-After"));
  }
  return {
    access: body.access_token,
    refresh: body.refresh_token ?? "",
    endsAt: Date.now() + (body.expires_in ?? 3600) * 1000,
  };
}

function publish(next: State): void {
  state = next;
  for (const listener of listeners) listener();
}
