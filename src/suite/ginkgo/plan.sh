# Asks the suite what it will run; prints Ginkgo's report of the dry run.
set -eu
bin=@BIN@
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# Ginkgo writes its report beside the binary as it is named.
ln -s "$bin/ginkgo" "$bin/e2e_node.test" .
@COMMAND@ >&2
cat @REPORT@
