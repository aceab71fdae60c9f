#!/bin/bash
# Compiles the program once per worker. What runs afterwards is the machine code itself: main.sh is the binary.
set -euo pipefail
cc=$(command -v gcc || command -v cc) || { echo "a C compiler is needed: apt-get install gcc libc6-dev" >&2; exit 1; }
"$cc" -O2 -std=c11 -Wall -o main.sh primes.c -lm
