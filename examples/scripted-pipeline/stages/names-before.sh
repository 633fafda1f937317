#!/bin/sh
# names-before: finds names.
. /app/shared/log.sh
log "finds names"
cat
