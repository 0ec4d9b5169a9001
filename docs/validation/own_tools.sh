#!/usr/bin/env bash
# Run the lines of docs/RUNS.md for polars, pandas and DuckDB over the example run of the
# repository, in a Python environment of their own that is made and removed again. Needs python3
# with venv, and pip's index. Exits with 1 unless every line runs and answers.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars pandas duckdb
"$folder/venv/bin/pip" list --format=freeze | grep -E '^(polars|pandas|duckdb)=='
GRIDRUN_PYTHON="$folder/venv/bin/python" cargo test --locked --test docs the_lines_for_own_tools_run -- --nocapture
