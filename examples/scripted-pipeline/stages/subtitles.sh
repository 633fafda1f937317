#!/bin/sh
# subtitles: writes subtitles.
. /app/shared/log.sh
log "writes subtitles"
cat
