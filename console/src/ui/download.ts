/** Hands a file to the person. The text never leaves the browser. */
export function download(name: string, parts: BlobPart[]): void {
  const url = URL.createObjectURL(new Blob(parts, { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A file name from what it holds, without characters that file systems dislike. */
export function fileName(...words: string[]): string {
  const day = new Date().toISOString().slice(0, 10);
  return `${[...words, day].join("-").replace(/[^\w.-]+/g, "-")}.json`;
}
