#!/bin/sh
# pyannote-vad: joins segments that touch.
set -eu
. "$SPEECH_HOME/shared/log.sh"
. "$SPEECH_HOME/shared/segments.sh"
log "joins segments"
segments 'NR > 1 && $1 == end {end = $2; text = text " " $3; next}
	NR > 1 {print start, end, text}
	{start = $1; end = $2; text = $3}
	END {if (NR) print start, end, text}'
