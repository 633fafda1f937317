#!/bin/sh
# Draws docs/session.svg, the picture in the README, from a real session in a copy of
# the example. It needs what "make demo" needs.
#
#	docs/session.sh [path of rebuild]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(realpath "${1:-$here/../bin/rebuild}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/repo"
cp -R "$here/../examples/speech-pipeline/." "$work/repo"
cd "$work/repo"
# What the engine has in its cache runs no more, and gives no times to estimate from.
for script in stages/*.sh; do
	echo "# $(date +%s)" >>"$script"
done
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git init -q -b main
git add -A
git -c user.name=session -c user.email=session@localhost commit -q -m "a speech pipeline"
"$bin" --progress quiet >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	exit 1
}

ln -s "$bin" "$work/rebuild"
PATH=$work:$PATH

# said runs a line of the session, and shows it as one would see it.
said() {
	printf '$ %s\n' "$1"
	sh -c "$1" 2>&1
	echo
}

{
	said "echo '# louder' >> stages/asr.sh"
	said "rebuild plan"
	said "rebuild why asr-cpu"
	BUILDKIT_PROGRESS=plain said "rebuild" | grep -v '^#' # without what each step prints
	said "rebuild"
} | cat -s >"$work/session"

awk '
BEGIN { size = 13; wide = 7.83; high = 18; margin = 16 }
{
	gsub(/&/, "\\&amp;"); gsub(/</, "\\&lt;"); gsub(/>/, "\\&gt;")
	line[NR] = $0
	plain = $0
	gsub(/&[a-z]+;/, "x", plain)
	if (length(plain) > most) most = length(plain)
	if ($0 != "") last = NR
}
END {
	width = int(most * wide + 2 * margin); height = last * high + 2 * margin
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", width, height, width, height
	print "<title>A session: a script is edited, rebuild plan and rebuild why tell what that touches, rebuild builds it</title>"
	print "<style>text { font: " size "px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d0d7de; white-space: pre } .typed { fill: #7ee787; font-weight: bold }</style>"
	print "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>"
	for (i = 1; i <= last; i++) {
		if (line[i] == "") continue
		printf "<text x=\"%d\" y=\"%d\" xml:space=\"preserve\"%s>%s</text>\n", margin, margin + i * high - 5, (line[i] ~ /^\$ / ? " class=\"typed\"" : ""), line[i]
	}
	print "</svg>"
}' "$work/session" >"$work/session.svg"
cp "$work/session.svg" "$here/session.svg"
cat "$work/session"
