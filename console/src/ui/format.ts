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

/** Records a second, without digits that say nothing. */
export function perSecond(rate: number): string {
  return `${NUMBER.format(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate))} records/s`;
}

/** A time that is still to go, as people would say it. */
export function timeLeft(seconds: number): string {
  if (seconds < 5) return "a few seconds left";
  if (seconds < 90) return `about ${plural(Math.round(seconds), "second")} left`;
  if (seconds < 90 * 60) return `about ${plural(Math.round(seconds / 60), "minute")} left`;
  return `about ${plural(Math.round(seconds / 3600), "hour")} left`;
}

/** How long something took. */
export function timeTaken(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 1) return "less than a second";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** The size of a file. */
export function bytes(value: number): string {
  const units = ["kB", "MB", "GB", "TB"];
  if (value < 1000) return plural(value, "byte");
  let size = value / 1000;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** What stands in a text area, a line each, without blank and repeated ones. */
export function linesOf(text: string): string[] {
  return [...new Set(text.split("\n").map((line) => line.trim()))].filter(Boolean);
}
