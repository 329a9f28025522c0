# Ends the process groups that bellwether leaves when it is killed. It tells of each group by a line: `+` when the
# group begins, `-` when it ended. Stdin ends when bellwether does, however it does.
groups=' '
while read -r sign group; do
	case $sign in
	+) groups="$groups$group " ;;
	-) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
	esac
done
for group in $groups; do
	kill -s KILL -- "-$group" 2>/dev/null
done
