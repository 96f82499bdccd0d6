#!/usr/bin/env bash
# gSOAP calls our reliable service, and our client calls gSOAP's: WS-ReliableMessaging February 2005 and 1.1, with losses.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in soapcpp2 cc pkg-config python3 cargo; do
    command -v "$tool" >/dev/null || { echo "gsoap.sh needs $tool: apt-get install gsoap libgsoap-dev gcc pkg-config python3" >&2; exit 1; }
done
echo "gSOAP $(pkg-config --modversion gsoap)"

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

gsoap=/usr/share/gsoap
read -ra flags < <(pkg-config --cflags gsoap)
read -ra libraries < <(pkg-config --libs gsoap)
for build in 1.0:wsrm5.h 1.1:wsrm.h; do
    folder="$scratch/${build%%:*}"
    mkdir -p "$folder/plugin"
    { printf '#import "%s"\n' soap12.h "${build#*:}"; cat tests/interop/gsoap/echo.h; } >"$folder/echo.h"
    soapcpp2 -c -a -2 -L -x -I"$gsoap/import" -I"$gsoap" -d"$folder" "$folder/echo.h" >"$folder/log" 2>&1 ||
        { cat "$folder/log" >&2; exit 1; }
    # As packaged, the plugin does not compile for February 2005: its header declares one function with another type than its source.
    cp "$gsoap/plugin/wsrmapi.c" "$folder/plugin"
    sed '/^#ifdef SOAP_WSRM_2005/,/^#else/s/TerminateSequenceType \*res/TerminateSequenceResponseType *res/' \
        "$gsoap/plugin/wsrmapi.h" >"$folder/plugin/wsrmapi.h"
    cc -w -O0 "${flags[@]}" -I"$folder/plugin" -I"$folder" -I"$gsoap/plugin" -I"$gsoap" -o "$folder/peer" \
        tests/interop/gsoap/peer.c "$folder"/soap[CS]*.c "$folder/plugin/wsrmapi.c" \
        "$gsoap"/plugin/{wsaapi,threads}.c "$gsoap/custom/duration.c" "${libraries[@]}" -lpthread
done

cargo build -q -p soap-session-tests --example interop-peer
ours="${CARGO_TARGET_DIR:-target}/debug/examples/interop-peer"
python3 tests/interop/gsoap/sessions.py "$ours" "$scratch/1.0/peer" "$scratch/1.1/peer"
