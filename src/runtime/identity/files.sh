# Tells a file's kind, digests and end, what dpkg recorded for it, and what it calls itself.
look() {
	file=$root$1
	if [ ! -f "$file" ]; then
		echo "problem there is no file $1"
		return
	fi
	case $(head -c 4 "$file" | tr -d '\0\177') in
	'#!'*) kind=script ;;
	ELF) kind=elf ;;
	*) kind=other ;;
	esac
	sha=$(sha256sum < "$file")
	md5=$(md5sum < "$file")
	real=$(readlink -f "$file")
	echo "file $kind ${sha%% *} ${md5%% *} ${real#"$root"} $1"
	grep -shF "  ${1#/}" "$root"/var/lib/dpkg/info/*.md5sums | while read -r sum path; do
		[ "/$path" != "$1" ] || echo "dpkg $sum $1"
	done
	words=$(timeout -k 1 10 "$file" --version < /dev/null 2>&1 | head -n 1)
	echo "version $1: $words"
}
