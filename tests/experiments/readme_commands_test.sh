#!/usr/bin/env bash
# Every command of every README is executed on small data or listed with the reason why not, and every
# option, path, link and name that a README gives exists.
exec python3 "$(dirname "$0")/../support/readme_commands.py" "${1:?build folder}"
