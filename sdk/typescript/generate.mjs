// Writes the messages of the gRPC API as TypeScript into `src/gen`. Needs the development dependencies; users of the library
// do not. With `--check` nothing is written, and the exit status says whether what is there is what the .proto files give.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
// Where the sources are, when this runs in a copy of its folder.
const root = process.env.STEPFLEET_ROOT ?? join(here, "..", "..");
const target = join(root, "sdk", "typescript", "src", "gen");
const tools = join(here, "node_modules", ".bin");

function generate(folder) {
  const template = {
    version: "v2",
    inputs: [
      { directory: join(root, "proto"), paths: [join(root, "proto", "stepfleet", "v1")] },
      { directory: join(root, "sdk", "proto") },
    ],
    plugins: [{ local: join(tools, "protoc-gen-es"), out: folder, opt: ["target=ts", "import_extension=js"] }],
  };
  execFileSync(join(tools, "buf"), ["generate", "--template", JSON.stringify(template)], {
    cwd: root,
    stdio: "inherit",
  });
}

function texts(folder) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : [];
  const files = names.filter((name) => name.endsWith(".ts")).sort();
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

const made = mkdtempSync(join(tmpdir(), "stepfleet-generate."));
try {
  generate(made);
  if (process.argv.includes("--check")) {
    const [wanted, present] = [texts(made), texts(target)];
    const names = new Set([...wanted.keys(), ...present.keys()]);
    const stale = [...names].filter((name) => wanted.get(name) !== present.get(name));
    if (stale.length > 0) {
      writeFileSync(2, `stale: ${stale.join(", ")}; run sdk/typescript/generate.mjs\n`);
      process.exitCode = 1;
    }
  } else {
    rmSync(target, { recursive: true, force: true });
    cpSync(made, target, { recursive: true });
  }
} finally {
  rmSync(made, { recursive: true, force: true });
}
