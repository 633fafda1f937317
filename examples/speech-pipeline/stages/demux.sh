#!/bin/sh
# demux: the audio of a film as segments. A film is lines: track, start, end, text.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "takes the audio track"
segments '$1 == "audio" {print $2, $3, $4}'
