#!/usr/bin/env bash
# xmlsec1 decrypts and verifies what this project seals; this project opens what xmlsec1 signs and encrypts.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in xmlsec1 python3 cargo; do
    command -v "$tool" >/dev/null || { echo "xmlsec.sh needs $tool" >&2; exit 1; }
done
xmlsec1 --version

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

cargo run -q -p soap-session-tests --example xmlsec -- seal "$scratch/ours"
python3 tests/interop/xmlsec.py verify "$scratch/ours"
python3 tests/interop/xmlsec.py make "$scratch/theirs"
cargo run -q -p soap-session-tests --example xmlsec -- open "$scratch/theirs"
