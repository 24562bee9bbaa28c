import { download } from "./download";

/** A file that is being written, on disk where the browser lets a page do so, and otherwise in the browser. */
export interface FileBeingSaved {
  /** Whether what is written goes to disk at once. */
  readonly onDisk: boolean;
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends the file: `null` when it is on disk, or what to hand to the person. */
  close(): Promise<Blob | null>;
  /** Leaves no file behind. */
  discard(): Promise<void>;
}

/** Bytes that are kept as they came before they are handed to the browser, which can put them out of memory. */
const PIECE = 8 * 1024 * 1024;

interface Picker {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

interface Removable extends FileSystemFileHandle {
  remove?: () => Promise<void>;
}

/** Whether a page may write a file as it comes. Not in every browser, and nowhere by plain http from another machine. */
export function canSaveToDisk(): boolean {
  return typeof (window as Picker).showSaveFilePicker === "function";
}

/** Asks where to save. Answers `null` when the person does not want to. Call it from a click, before anything else is awaited. */
export async function beginFile(suggestedName: string): Promise<FileBeingSaved | null> {
  const picker = window as Picker;
  if (!picker.showSaveFilePicker) return inMemory();
  try {
    const handle = await picker.showSaveFilePicker({ suggestedName });
    return await onDisk(handle);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    return inMemory();
  }
}

/** Writes the body of an answer to a file and hands it over. Answers whether there was anything in it. */
export async function saveBody(
  answer: Response,
  file: FileBeingSaved,
  name: string,
  onBytes: (bytes: number) => void,
): Promise<boolean> {
  let written = 0;
  try {
    const reader = answer.body?.getReader();
    for (;;) {
      const piece = await reader?.read();
      if (!piece?.value) break;
      await file.write(piece.value);
      written += piece.value.byteLength;
      onBytes(written);
    }
  } catch (error) {
    await file.discard();
    throw error;
  }
  if (written === 0) {
    await file.discard();
    return false;
  }
  const made = await file.close();
  if (made) download(name, made);
  return true;
}

async function onDisk(handle: FileSystemFileHandle): Promise<FileBeingSaved> {
  const writable = await handle.createWritable();
  return {
    onDisk: true,
    write: (bytes) => writable.write(bytes),
    close: async () => {
      await writable.close();
      return null;
    },
    discard: async () => {
      await writable.abort().catch(() => undefined);
      // The dialog has made an empty file where there was none.
      const left = await handle.getFile().catch(() => null);
      if (left?.size === 0) await (handle as Removable).remove?.().catch(() => undefined);
    },
  };
}

function inMemory(): FileBeingSaved {
  let pieces: Blob[] = [];
  let fresh: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const gather = () => {
    pieces.push(new Blob(fresh));
    fresh = [];
    size = 0;
  };
  return {
    onDisk: false,
    write: async (bytes) => {
      fresh.push(bytes);
      size += bytes.byteLength;
      if (size >= PIECE) gather();
    },
    close: async () => {
      gather();
      return new Blob(pieces, { type: "application/octet-stream" });
    },
    discard: async () => {
      pieces = [];
      fresh = [];
    },
  };
}
