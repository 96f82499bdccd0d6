#!/usr/bin/env bash
# Exclusive canonical XML: equal to libxml2's, octet for octet, on documents made up by a seed.
# `c14n.sh [SEED]`: another seed makes other documents.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -c 'import lxml.etree' || { echo "c14n.sh needs lxml for Python: apt-get install python3-lxml" >&2; exit 1; }
seed="${1:-2026}"

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

python3 tests/interop/c14n_corpus.py "$scratch" 900 "$seed" 2
echo "seed $seed: $(wc -l <"$scratch/manifest.tsv") documents, $(grep -c $'\t!\t' "$scratch/manifest.tsv") of them that libxml2 refuses"
C14N_CORPUS="$scratch" cargo test -q -p soap-session-tests --test c14n_libxml2 corpus_of_the_environment
