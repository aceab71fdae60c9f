#!/bin/bash
# Makes a virtual environment of the activity's own. It needs no network: --without-pip leaves out what would be
# downloaded. With packages, leave the option away and add: venv/bin/pip install -r requirements.txt
set -euo pipefail
python3 -m venv --without-pip venv
# A virtual environment holds absolute paths, which is why activities are installed at their final place.
cat > main.sh <<'MAIN'
#!/bin/sh
exec venv/bin/python stats.py "$@"
MAIN
