#!/usr/bin/env bash
# What can be said of every kernel without a GPU, from what the compiler made of it.
# usage: cuda_kernels_test.sh BUILD_FOLDER
exec python3 "$(dirname "$0")/check_kernels.py" "$@"
