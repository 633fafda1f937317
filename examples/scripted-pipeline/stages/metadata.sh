#!/bin/sh
# metadata: asks for title and cast.
. /app/shared/log.sh
log "asks for title and cast"
cat
