import { request, segment } from "./request";

/** A mail that the service keeps because it has no mail server. */
export interface OutboxRow {
  id: string;
  to: string;
  subject: string;
  date: string;
}

export interface OutboxMail extends OutboxRow {
  text: string;
  html: string | null;
}

export interface OutboxPage {
  /** `smtp`: a mail server takes the mails, and none is kept. */
  delivery: "outbox" | "smtp";
  messages: OutboxRow[];
  next_url: string | null;
}

export function listOutbox(next?: string): Promise<OutboxPage> {
  // The next page comes as a path of this service; anything else is not followed.
  if (next?.startsWith("/v1/outbox?")) return request(next);
  return request("/v1/outbox", { query: { limit: 50 } });
}

export function getOutboxMail(id: string): Promise<OutboxMail> {
  return request(`/v1/outbox/${segment(id)}`);
}
