#!/bin/sh
# translation: translates.
. /app/shared/log.sh
log "translates"
cat
