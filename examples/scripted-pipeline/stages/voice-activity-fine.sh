#!/bin/sh
# voice-activity-fine: looks closer.
. /app/shared/log.sh
log "looks closer"
cat
