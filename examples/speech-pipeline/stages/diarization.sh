#!/bin/sh
# diarization: says who speaks; here they take turns.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "tells speakers apart"
segments '{print $1, $2, substr("AB", NR % 2 + 1, 1) ": " $3}'
