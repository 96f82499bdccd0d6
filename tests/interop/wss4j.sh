#!/usr/bin/env bash
# WSS4J opens what this project seals, under SecurityContextTokens with derived keys; this project opens what WSS4J secures.
set -euo pipefail
cd "$(dirname "$0")/../.."

jars=/usr/share/java
classpath="$jars/wss4j.jar:$jars/xmlsec.jar:$jars/commons-logging.jar:$jars/slf4j-api.jar:$jars/slf4j-nop.jar:$jars/commons-codec.jar"
for need in "$jars/wss4j.jar" "$jars/xmlsec.jar" "$jars/slf4j-nop.jar"; do
    [ -e "$need" ] || { echo "wss4j.sh needs $need: apt-get install libwss4j-java libxml-security-java libslf4j-java" >&2; exit 1; }
done
for tool in javac java cargo; do
    command -v "$tool" >/dev/null || { echo "wss4j.sh needs $tool: apt-get install default-jdk-headless" >&2; exit 1; }
done

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

javac -nowarn -cp "$classpath" -d "$scratch/classes" tests/interop/wss4j/*.java
wss4j() { java -cp "$scratch/classes:$classpath" "$@"; }

cargo run -q -p soap-session-tests --example xmlsec -- seal "$scratch/ours"
wss4j Wss4j verify "$scratch/ours"
wss4j Wss4j make "$scratch/theirs"
cargo run -q -p soap-session-tests --example xmlsec -- open "$scratch/theirs"
