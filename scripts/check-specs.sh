#!/bin/sh
# Holds docs/protocol to the official rules of OpenAPI and AsyncAPI; needs node
# and npm's registry. What pods really send is the business of test/specs.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --prefix "$work" --silent --no-fund --no-audit --ignore-scripts @redocly/cli@2.77.0 @asyncapi/parser@3.6.3
"$work/node_modules/.bin/redocly" lint --extends=spec docs/protocol/openapi.yaml
cat >"$work/check.mjs" <<'JS'
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const errors = diagnostics.filter((d) => d.severity === 0);
for (const d of errors) console.error(d.path.join("/"), d.message);
process.exit(errors.length ? 1 : 0);
JS
node "$work/check.mjs" docs/protocol/asyncapi.yaml
echo "both documents are well formed"
