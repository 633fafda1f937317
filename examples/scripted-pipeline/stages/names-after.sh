#!/bin/sh
# names-after: puts names right.
. /app/shared/log.sh
log "puts names right"
cat
