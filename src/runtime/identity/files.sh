# Tells a file's kind, digests and end, and what dpkg recorded for it, which is an MD5.
hold() {
	file=$root$1
	if [ ! -f "$file" ]; then
		echo "problem there is no file $1"
		return 1
	fi
	case $(head -c 4 "$file" | tr -d '\0\177') in
	'#!'*) kind=script ;;
	ELF) kind=elf ;;
	*) kind=other ;;
	esac
	recorded=$(grep -shF "  ${1#/}" "$root"/var/lib/dpkg/info/*.md5sums | grep "  ${1#/}\$")
	md5=-
	[ -z "$recorded" ] || md5=$(md5sum < "$file")
	real=$(readlink -f "$file")
	echo "file $kind $(sum "$file") ${md5%% *} ${real#"$root"} $1"
	[ -z "$recorded" ] || echo "dpkg ${recorded%% *} $1"
}
# The same, with what it calls itself.
look() {
	hold "$1" || return
	words=$(timeout -k 1 10 "$file" --version < /dev/null 2>&1 | head -n 1)
	echo "version $1: $words"
}
