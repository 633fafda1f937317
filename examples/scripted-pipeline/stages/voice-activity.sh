#!/bin/sh
# voice-activity: finds where somebody speaks.
. /app/shared/log.sh
log "finds where somebody speaks"
cat
