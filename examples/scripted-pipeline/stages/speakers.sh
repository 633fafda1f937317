#!/bin/sh
# speakers: tells speakers apart.
. /app/shared/log.sh
log "tells speakers apart"
cat
