/** Hands a file to the person. It never leaves the browser. */
export function download(name: string, file: Blob): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A file name from what it holds, without characters that file systems dislike. */
export function fileName(ending: "json" | "ndjson" | "vbundle", ...words: string[]): string {
  const day = new Date().toISOString().slice(0, 10);
  return `${[...words, day].join("-").replace(/[^\w.-]+/g, "-")}.${ending}`;
}
