import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

/** Packages whose files are taken by the style sheets, which the bundler does not list as modules. */
const STYLE_PACKAGES = ["@carbon/styles", "@ibm/plex-sans", "@ibm/plex-mono"];

/** Writes the licences of every package that ended up in the bundle to `THIRD-PARTY-NOTICES.txt`. */
export function licenceNotices(): Plugin {
  return {
    name: "licence-notices",
    generateBundle(_options, bundle) {
      const roots = new Map<string, string>();
      for (const name of STYLE_PACKAGES) roots.set(name, join("node_modules", name));
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of Object.keys(chunk.modules)) {
          const found = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(id.replace(/^\0+/, ""));
          if (found) roots.set(found[2] as string, found[1] as string);
        }
      }
      const notices = [...roots.keys()].sort().map((name) => notice(name, roots.get(name) as string));
      this.emitFile({
        type: "asset",
        fileName: "THIRD-PARTY-NOTICES.txt",
        source: `The console contains work of others, under these licences.\n\n${notices.join("\n\n")}\n`,
      });
    },
  };
}

function notice(name: string, root: string): string {
  let folder = root;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  const described = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    version: string;
    license?: string;
  };
  const file = readdirSync(folder)
    .filter((entry) => /^licen[cs]e/i.test(entry))
    .sort()[0];
  const text = file
    ? readFileSync(join(folder, file), "utf8").trim()
    : "(the package carries no licence text)";
  const line = "=".repeat(78);
  return `${line}\n${name} ${described.version} (${described.license ?? "see below"})\n${line}\n${text}`;
}
