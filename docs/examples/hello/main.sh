#!/bin/sh
# Greets whoever the input names.
echo "hello ${1:-world}"
