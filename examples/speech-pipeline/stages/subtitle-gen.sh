#!/bin/sh
# subtitle-gen: segments as numbered subtitles.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "spells names as in $SPEECH_HOME/names.txt"
segments '{printf "%d\n%s --> %s\n%s\n\n", NR, $1, $2, $3}'
