#!/bin/sh
# lyrics-detection: marks what is sung.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "listens for songs"
segments '$3 ~ /la la/ {$3 = "# " $3 " #"} {print}'
