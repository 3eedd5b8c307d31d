#!/usr/bin/env bash
# `mgqe serve` as its clients meet it: http_test.py says what.
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
cd "$(dirname "$0")" || exit 1
if "$mgqe" serve --artifact none --port 0 2>&1 | grep -q "built without its HTTP service"; then
  echo "skipped: cpp-httplib was not found"
  exit 77
fi
exec python3 http_test.py "$mgqe"
