const NUMBER = new Intl.NumberFormat("en-GB");
const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export function count(value: number | undefined): string {
  return value === undefined ? "not known" : NUMBER.format(value);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${NUMBER.format(value)} ${value === 1 ? one : many}`;
}

/** A date of the service (RFC 3339 or epoch milliseconds) in the reader's time zone. */
export function date(value: string | number | null | undefined): string {
  if (value === null || value === undefined || value === "") return "–";
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? String(value) : DATE.format(time);
}

/** Seconds in the unit that people use for them. */
export function duration(seconds: number): string {
  if (seconds % 86400 === 0) return plural(seconds / 86400, "day");
  if (seconds % 3600 === 0) return plural(seconds / 3600, "hour");
  if (seconds % 60 === 0) return plural(seconds / 60, "minute");
  return plural(seconds, "second");
}
