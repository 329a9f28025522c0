tracefs=$root/sys/kernel/tracing
trace=$tracefs/instances/bellwether
[ -e "$tracefs/instances" ] || [ -n "$root" ] || mount -t tracefs tracefs "$tracefs" 2>/dev/null
if [ -d "$trace" ] || mkdir "$trace" 2>/dev/null; then
	echo > "$trace/trace"
	for event in exec fork; do
		echo 1 2>/dev/null > "$trace/events/sched/sched_process_$event/enable" ||
			echo "problem the kernel does not trace sched_process_$event"
	done
else
	echo 'problem the kernel has no tracefs, so nobody saw what was executed'
fi
