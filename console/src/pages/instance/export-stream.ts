import { openUsers, type UserKind } from "../../api/transfer";
import { keepingAwake } from "../../api/session";
import type { FileBeingSaved } from "../../ui/save";

export interface ExportResult {
  users: number;
  /** What to hand to the person; `null` when the file is on disk already. */
  file: Blob | null;
  /** Moments of the instance that the file is made of: more than one when the export took very long. */
  moments: number;
  /** What App ID's shape of a user could not carry, counted. */
  lost: Record<string, number>;
}

interface Summary {
  users: number;
  moments?: number;
  lost?: Record<string, number>;
}

/**
 * Writes the users of an instance to a file as they come, as one JSON object in the shape of App ID's exports, which every import
 * takes. Nothing is parsed on the way, and no more than a record is held.
 */
export function exportUsers(asked: {
  tenant: string;
  kind: UserKind;
  secret: string;
  where: string;
  file: FileBeingSaved;
  signal: AbortSignal;
  onProgress: (users: number) => void;
}): Promise<ExportResult> {
  return keepingAwake(async () => {
    const { file } = asked;
    try {
      const { body } = await openUsers(asked.tenant, asked.kind, asked);
      const records = new Records();
      await file.write(bytesOf('{"requestOptions":{},"users":['));
      const reader = body?.getReader();
      for (;;) {
        const piece = await reader?.read();
        if (!piece?.value) break;
        const out = records.take(piece.value);
        if (out.byteLength > 0) await file.write(out);
        asked.onProgress(records.count);
      }
      const summary = records.summary();
      if (!summary || summary.users !== records.count) {
        throw new Error("The export broke off before its end.");
      }
      await file.write(bytesOf(`\n],"itemsPerPage":${records.count},"totalResults":${records.count}}\n`));
      return {
        users: records.count,
        file: await file.close(),
        moments: summary.moments ?? 1,
        lost: summary.lost ?? {},
      };
    } catch (error) {
      await file.discard();
      throw error;
    }
  });
}

const NEWLINE = 0x0a;
const COMMA = 0x2c;

/** Makes the elements of an array of lines, but for the last line, which is the summary. */
class Records {
  count = 0;
  /** From the beginning of the last line that is known: it is the summary unless another one follows. */
  private held = new Uint8Array(0);

  take(piece: Uint8Array): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.held.byteLength + piece.byteLength);
    all.set(this.held);
    all.set(piece, this.held.byteLength);
    const last = all.lastIndexOf(NEWLINE);
    const end = last > 0 ? all.lastIndexOf(NEWLINE, last - 1) + 1 : 0;
    this.held = all.slice(end);
    return this.elements(all.subarray(0, end));
  }

  summary(): Summary | undefined {
    try {
      return (JSON.parse(new TextDecoder().decode(this.held)) as { summary?: Summary }).summary;
    } catch {
      return undefined;
    }
  }

  /** Each line with the separator before it. */
  private elements(lines: Uint8Array): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(lines.byteLength * 2);
    let length = 0;
    let start = 0;
    while (start < lines.byteLength) {
      const end = lines.indexOf(NEWLINE, start);
      if (this.count > 0) out[length++] = COMMA;
      out[length++] = NEWLINE;
      out.set(lines.subarray(start, end), length);
      length += end - start;
      this.count += 1;
      start = end + 1;
    }
    return out.slice(0, length);
  }
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
