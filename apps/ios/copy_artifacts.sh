#!/bin/bash
# A build phase of the app: every artifact for iOS in the checkout's artifacts/ goes into the app,
# with its golden files for the self-test and without its evidence.
set -euo pipefail
from="${EDGEFORM_ARTIFACTS:-$SRCROOT/../../artifacts}"
to="$TARGET_BUILD_DIR/$UNLOCALIZED_RESOURCES_FOLDER_PATH/artifacts"
rm -rf "$to"
found=0
for manifest in "$from"/*/manifest.json; do
    [ -f "$manifest" ] || continue
    folder=$(dirname "$manifest")
    case "$folder" in *.failed) continue ;; esac
    grep -A1 '"target": {' "$manifest" | grep -Eq '"(xnnpack|coreml|coreml_pte)"' || continue
    copy="$to/$(basename "$folder")"
    mkdir -p "$copy/golden"
    for path in manifest.json labels.txt model.pte model.mlpackage; do
        if [ -e "$folder/$path" ]; then cp -R "$folder/$path" "$copy/"; fi
    done
    cp "$folder"/golden/{input,expected,image}_* "$copy/golden/"
    found=$((found + 1))
done
if [ "$found" = 0 ]; then
    echo "error: There is no artifact for iOS in $from: run edgeform demo, or edgeform build MODEL --target coreml, in the checkout." >&2
    exit 1
fi
echo "$found artifacts copied from $from"
