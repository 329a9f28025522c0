# The SHA-256 of a file. Large ones are met again and again, as files and as what processes execute.
sums=$root/run/bellwether-canary.sums
disk=$root/run/bellwether-canary.disk
# Of a file that lies on the runtime's disk its place there is enough: the machine cannot write to that disk, and the
# host knows what it put there. Which disk that is, and which file, is the kernel's word: a device and an inode.
place() {
	for block in "$root"/sys/block/vd*; do
		[ "$(cat "$block/serial" 2>/dev/null) $(cat "$block/ro" 2>/dev/null)" = 'runtime 1' ] && break
	done
	IFS=: read -r major minor 2>/dev/null < "$block/dev" || return
	[ "$((major * 256 + minor))" = "${1%%:*}" ] || return
	[ -d "$disk" ] || { mkdir "$disk" && mount -t ext4 -o ro,noload "/dev/${block##*/}" "$disk"; } 2>/dev/null
	[ "$(stat -c %d "$disk" 2>/dev/null)" = "${1%%:*}" ] || return
	inode=${1#*:}
	found=$(find "$disk" -xdev -type f -inum "${inode%%:*}" | head -n 1)
	[ -z "$found" ] || echo "runtime:${found#"$disk"}"
}
sum() {
	stamp=$(stat -Lc %d:%i:%s:%Z "$1")
	known=$(grep -s "^$stamp " "$sums")
	if [ -z "$known" ]; then
		known="$stamp $(place "$stamp")"
		[ "$known" != "$stamp " ] || known="$stamp $(sha256sum < "$1")"
		echo "$known" >> "$sums"
	fi
	known=${known#* }
	echo "${known%% *}"
}
forget() {
	rm -f "$sums"
	[ ! -d "$disk" ] || { umount "$disk" 2>/dev/null; rmdir "$disk"; }
}
