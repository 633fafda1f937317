#!/bin/sh
# demux: takes the audio track.
. /app/shared/log.sh
log "takes the audio track"
cat
