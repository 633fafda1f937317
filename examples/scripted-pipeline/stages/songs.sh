#!/bin/sh
# songs: marks what is sung.
. /app/shared/log.sh
log "marks what is sung"
cat
