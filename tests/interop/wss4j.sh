#!/usr/bin/env bash
# WSS4J opens what this project seals, under SecurityContextTokens with derived keys, and this project opens what WSS4J secures; each is
# client and service of the other, in secure conversations and by basicHttpBinding with message credentials.
set -euo pipefail
cd "$(dirname "$0")/../.."

jars=/usr/share/java
classpath="$jars/wss4j.jar:$jars/xmlsec.jar:$jars/commons-logging.jar:$jars/slf4j-api.jar:$jars/slf4j-nop.jar:$jars/commons-codec.jar"
for need in "$jars/wss4j.jar" "$jars/xmlsec.jar" "$jars/slf4j-nop.jar"; do
    [ -e "$need" ] || { echo "wss4j.sh needs $need: apt-get install libwss4j-java libxml-security-java libslf4j-java" >&2; exit 1; }
done
for tool in javac java python3 cargo; do
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

# And over HTTP, from the request for a token to its cancellation; and single messages, over HTTPS too.
cargo build -q -p soap-session-tests --example interop-peer
ours="${CARGO_TARGET_DIR:-target}/debug/examples/interop-peer"
keys=adapters/credentials/tests/keys
python3 tests/interop/wss4j/sessions.py "$ours" "$scratch/classes:$classpath" "$keys/service.cert.pem" "$keys/service.key.pem" tests/vectors/keys
