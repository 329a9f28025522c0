# The power of a fake machine: holds until stdin ends, which is when whoever started the machine lets go of it or
# dies; then ends every process of the guest in the folder $1.
root=$1
while read -r _; do :; done

end_session() {
	for stat in /proc/[0-9]*/stat; do
		{ read -r pid name state parent group session rest < "$stat"; } 2>/dev/null || continue
		[ "$session" != "$1" ] || kill -s KILL "$pid" 2>/dev/null
	done
}

for try in 1 2 3; do
	if read -r pid 2>/dev/null < "$root/run/runtime.pid"; then kill -s KILL "$pid" 2>/dev/null; fi
	# The suite leads a session of its own, as a unit would have a cgroup.
	if read -r pid 2>/dev/null < "$root/var/lib/bellwether/suite/pid"; then end_session "$pid"; fi
	sleep 0.05
done
