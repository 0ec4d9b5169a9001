#!/bin/sh
# The rules of `gridrun pack`, judged by the real promtool.
#
#   docs/validation/promtool.sh GRIDRUN CHAMPION [PROMTOOL]
#
# Without PROMTOOL it is taken from Debian's package `prometheus`, which is unpacked and not
# installed.
set -eu
gridrun=$1 champion=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
promtool=${3:-}
if [ -z "$promtool" ]; then
    (cd "$folder" && apt-get download prometheus >/dev/null && dpkg -x prometheus_*.deb .)
    promtool=$folder/usr/bin/promtool
fi
"$gridrun" pack "$champion" --out "$folder/pack"
"$promtool" check rules "$folder/pack/alerts.yml"
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$folder/pack/dashboard.json"
echo "dashboard.json is JSON"
