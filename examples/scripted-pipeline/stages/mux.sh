#!/bin/sh
# mux: puts them into the film.
. /app/shared/log.sh
log "puts them into the film"
cat
