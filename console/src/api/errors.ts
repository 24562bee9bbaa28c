/** A call that did not succeed, with a sentence that can be shown as it is. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    /** The service's own code, `""` where it gave none. */
    readonly code: string,
    sentence: string,
  ) {
    super(sentence);
    this.name = "ApiError";
  }
}

/** What to tell a person about anything that was thrown. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof Error && error.message) return asSentence(error.message);
  return "Something went wrong in the console. Reload the page and try again.";
}

/** The call got no answer at all. */
export function unreachable(): ApiError {
  return new ApiError(
    0,
    "unreachable",
    "The service could not be reached. Check that it is running and that you are connected, then try again.",
  );
}

/**
 * Turns an answer of any of the four error dialects into one error: `{errors:[{code,message}]}` of the platform,
 * `{detail,scimType}` of Cloud Directory, `{error_code,error_description}` and `{error,error_description}` of management and
 * OAuth, and a bare `{message}`.
 */
export function refusal(status: number, body: unknown, retryAfter: string | null): ApiError {
  const { code, text } = readDialect(body);
  return new ApiError(status, code, explain(status, code, text, retryAfter));
}

function readDialect(body: unknown): { code: string; text: string } {
  if (typeof body !== "object" || body === null) return { code: "", text: "" };
  const told = body as Record<string, unknown>;
  const first = Array.isArray(told.errors)
    ? (told.errors[0] as Record<string, unknown> | undefined)
    : undefined;
  const code = firstText(first?.code, told.scimType, told.error_code, told.errorCode, told.error, told.code);
  const text = firstText(
    first?.message,
    told.detail,
    told.error_description,
    told.errorMessage,
    told.message,
    told.error,
  );
  return { code, text };
}

function explain(status: number, code: string, text: string, retryAfter: string | null): string {
  const told = text && text.toUpperCase() !== code.toUpperCase() ? asSentence(text) : "";
  switch (status) {
    case 400:
    case 422:
      return told || "The service did not accept this. Check what you entered.";
    case 401:
      return told || "You are not signed in any more. Sign in again.";
    case 403:
      return `Your API key is not allowed to do this here. ${told || "Ask an administrator for a larger role."}`;
    case 404:
      return told || "This was not found. Someone may have deleted it.";
    case 409:
      return told || "This clashes with something that exists already.";
    case 413:
      return "This is larger than the service accepts in one request.";
    case 429: {
      const seconds = Number(retryAfter);
      const wait = seconds > 0 ? `Wait ${seconds} seconds` : "Wait a moment";
      return `Too many requests came in a short time. ${wait} and try again.`;
    }
    case 502:
    case 503:
    case 504:
      return "The service is busy or restarting. Wait a moment and try again.";
    default:
      if (status >= 500) return "The service had a problem with this request. Its log says more. Try again.";
      return told || `The service answered with status ${status}.`;
  }
}

function firstText(...candidates: unknown[]): string {
  for (const candidate of candidates)
    if (typeof candidate === "string" && candidate.trim()) return candidate.trim();
  return "";
}

/** Text of the service with a capital at its beginning and a stop at its end. */
export function asSentence(text: string): string {
  const trimmed = text.trim();
  // The name of a file stays as it is.
  const named = /^\S+\.\w+\s/.test(trimmed);
  const opened = named ? trimmed : trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(opened) ? opened : `${opened}.`;
}
