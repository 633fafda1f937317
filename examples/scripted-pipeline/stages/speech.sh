#!/bin/sh
# speech: listens.
. /app/shared/log.sh
log "listens"
cat
