# A segment is a line: start, end, text; parted by tabs, times in seconds.
TAB=$(printf '\t')

# segments AWK-PROGRAM [ARG...]: runs the program on each segment.
segments() {
	program=$1
	shift
	awk -F "$TAB" -v OFS="$TAB" "$@" "$program"
}
