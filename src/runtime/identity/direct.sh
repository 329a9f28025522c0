rm -f "$root/run/bellwether-canary.sums"
trace=$root/sys/kernel/tracing/instances/bellwether
[ ! -d "$trace" ] || [ -n "$root" ] || {
	for event in fork exec; do echo 0 > "$trace/events/sched/sched_process_$event/enable"; done
	rmdir "$trace"
} 2>/dev/null
if [ -z "$root" ]; then
	journalctl -b -q --since "-${since}s" -o short-iso 2>/dev/null |
		grep -E 'level=(error|fatal|warning)|containerd-shim|(panic|fatal error|segfault|apparmor)' | tail -n 40 | sed 's/^/journal /'
fi
[ -z "$unit" ] || journalctl -b -q -u "$unit" -o short-iso 2>/dev/null | tail -n 40 | sed 's/^/journal /'
for log in "$root"/run/containerd/io.containerd.runtime.v2.task/k8s.io/*/log.json; do
	[ ! -s "$log" ] || tail -n 20 "$log" | sed 's/^/log /'
done
[ -n "$binary" ] || exit 0
binary=$root$binary
if [ ! -e "$binary" ]; then
	echo "direct exec: ${binary#"$root"} is not there"
	exit 0
fi
own=$root/run/bellwether-canary
rm -rf "$own"
mkdir -p "$own/bundle/rootfs/usr" "$own/state"
cd "$own" || exit 0
for folder in bin sbin lib lib64; do
	[ ! -L "/$folder" ] || ln -s "usr/$folder" "bundle/rootfs/$folder"
done
cat > bundle/config.json <<'END'
@CONFIG@
END
# Its output goes to files: the container inherits it, and would hold a pipe open.
direct() {
	step=$1
	shift
	timeout -k 2 20 "$binary" --root "$own/state" --log "$own/log.json" --log-format json ${systemd:+"$systemd"} "$@" > out 2> err < /dev/null
	status=$?
	tail -n 40 log.json 2>/dev/null | sed "s/^/direct $step log: /"
	tail -n 40 err | sed "s/^/direct $step stderr: /"
	tail -n 10 out | sed "s/^/direct $step stdout: /"
	echo "direct $step: exit status $status"
	rm -f log.json
	return "$status"
}
direct create create --bundle "$own/bundle" --pid-file "$own/pid" canary-direct && direct start start canary-direct
timeout -k 2 10 "$binary" --root "$own/state" ${systemd:+"$systemd"} delete --force canary-direct > /dev/null 2>&1 < /dev/null
cd / && rm -rf "$own"
