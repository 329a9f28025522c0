trace=$root/sys/kernel/tracing/instances/bellwether
if [ -r "$trace/trace" ]; then
	for event in fork exec; do
		echo 0 2>/dev/null > "$trace/events/sched/sched_process_$event/enable"
	done
	# exec NUMBER PID started|became NUMBER-OF-WHO FILE
	awk '
	/ sched_process_fork: / {
		child = $0; sub(/.* child_pid=/, "", child)
		parent = $0; sub(/ child_comm=.*/, "", parent); sub(/.* pid=/, "", parent)
		image[child + 0] = image[parent + 0]; own[child + 0] = 0
	}
	/ sched_process_exec: / {
		file = $0; sub(/.* sched_process_exec: filename=/, "", file)
		pid = file; sub(/ pid=[0-9]+ old_pid=[0-9]+ *$/, "", file)
		pid = substr(pid, length(file) + 6) + 0
		n++
		print "exec", n, pid, own[pid] ? "became" : "started", image[pid] + 0, file
		image[pid] = n; own[pid] = 1
	}' "$trace/trace"
	[ -n "$root" ] || rmdir "$trace"
fi
seen=' '
search=
for id in $ids; do search="$search -e $id"; done
# shellcheck disable=SC2086
for pid in $pids $(grep -lsF $search "$root"/proc/[0-9]*/cgroup | sed 's#/cgroup$##; s#.*/##'); do
	while [ "$pid" -gt 1 ] 2>/dev/null; do
		case $seen in *" $pid "*) break ;; esac
		seen="$seen$pid "
		proc=$root/proc/$pid
		parent=0
		while read -r key value _; do
			[ "$key" != PPid: ] || parent=$value
		done 2>/dev/null < "$proc/status"
		exe=$(readlink "$proc/exe") || break
		exe=${exe#"$root"}
		echo "process $pid $parent $(sum "$proc/exe") ${exe%% *} $(tr '\0\n' '  ' < "$proc/cmdline")"
		pid=$parent
	done
done
for id in $ids; do
	for place in "$root"/run/containerd/*/k8s.io "$root"/run/runc "$root"/run/crun "$root"/run/youki; do
		# What containerd itself keeps of a container says nothing of who serves it.
		case $place in */io.containerd.*) continue ;; esac
		if [ -d "$place/$id" ]; then
			echo "state ${place#"$root"}/$id: $(ls -A "$place/$id" | tr '\n' ' ')"
		elif [ -d "$place" ]; then
			found=$(cd "$place" && ls -A -d "$id"* 2>/dev/null | tr '\n' ' ')
			[ -z "$found" ] || echo "state ${place#"$root"}: $found"
		fi
	done
done
echo "host-kernel $(uname -srv)"
if [ -n "$unit" ]; then
	# shellcheck disable=SC2086
	journalctl -b -q -u "$unit" -o cat 2>/dev/null | grep -F $search | tail -n 5 | sed 's/^/said /'
fi
