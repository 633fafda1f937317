# log MESSAGE...: one line on stderr, since stdout belongs to the next stage.
log() {
	echo "$SPEECH_STAGE ($SPEECH_DEVICE): $*" >&2
}
