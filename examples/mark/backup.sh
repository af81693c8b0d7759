#!/bin/sh
# A script that says what it does. Run it while ivtrace records, as root; without a recording it works as well.
#
#     ivtrace record -o run.ivt -- examples/mark/backup.sh /etc
#     ivtrace query run.ivt "SELECT name, depth, (until_ns - from_ns) / 1e6 AS ms FROM mark_slice"
set -e
from=${1:?usage: backup.sh DIRECTORY}
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT

ivtrace-mark --quiet --begin "backup of $from"
ivtrace-mark --quiet --run "copy" -- cp -r "$from" "$to/copy" 2>/dev/null || ivtrace-mark --quiet "not all could be copied"
ivtrace-mark --quiet --counter "files copied" "$(find "$to/copy" -type f | wc -l)"
ivtrace-mark --quiet --run "compress" -- tar -czf "$to/copy.tar.gz" -C "$to" copy
ivtrace-mark --quiet --end
